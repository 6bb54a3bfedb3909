/** Sends what a client wrote through the product's own code to an upstream body, and says what became of one feature of it. */
import { isDeepStrictEqual } from "node:util";
import type { AskedOutside, ClientDialect } from "../../src/providers/dialects/client.ts";
import { clientOf } from "../../src/providers/dialects/clients.ts";
import { dialectById } from "../../src/providers/dialects/index.ts";
import type { Target, Unsupported } from "../../src/providers/dialects/dialect.ts";
import type { DialectId } from "../../src/wire/facts.ts";
import type { JsonObject } from "../../src/wire/json.ts";
import { scanBody, splice } from "../../src/wire/scan.ts";
import type { SurfaceName } from "../../src/wire/surfaces.ts";
import { passes } from "./expected.ts";
import { featureOf, type RequestFeature } from "./features.ts";
import type { Place } from "./upstreams/places.ts";

/** What the run found: a word of the expectation, or what is wrong. */
export interface Found {
  readonly word: string;
  /** What the product said of it. */
  readonly said: readonly string[];
}

/** A body as it would leave for a provider. */
export type Sent =
  | { readonly kind: "sent"; readonly body: JsonObject; readonly warnings: readonly string[] }
  | { readonly kind: "refused"; readonly refusal: Unsupported };

/** What stands outside the body: the model and the stream in the path, where the surface has them there. */
export function outsideOf(surface: SurfaceName, stream = false): AskedOutside {
  const inPath = surface === "generate-content" || surface === "converse";
  return { model: inPath ? "m" : undefined, stream: inPath ? stream : undefined, query: inPath && stream ? "alt=sse" : "", header: () => undefined };
}

/** What the pipeline would send to this target for a body of this surface. */
export function send(surface: SurfaceName, raw: JsonObject, dialect: DialectId, target: Target): Sent {
  const client = clientOf(surface);
  const outside = outsideOf(surface);
  const parsed = client.parse(raw, outside);
  if (parsed.kind === "error") {
    const { code, param, message } = parsed.error;
    if (code !== "unsupported_parameter") throw new Error(`${surface} does not read its own form: ${code} ${message}`);
    return { kind: "refused", refusal: { kind: "unsupported", param: param ?? "", message } };
  }
  if (passes(surface, dialect)) return { kind: "sent", body: passed(client, raw, outside, target, parsed.request), warnings: [] };
  const [foreign] = parsed.onlyHere;
  if (foreign !== undefined && client.id !== dialect) return { kind: "refused", refusal: foreign };
  const encoded = dialectById(dialect).encodeChat(parsed.request, target);
  if (encoded.kind === "unsupported") return { kind: "refused", refusal: encoded };
  // As the wire has it: what is undefined is not there.
  const body = JSON.parse(JSON.stringify(encoded.body)) as JsonObject;
  return { kind: "sent", body, warnings: client.id === dialect ? encoded.warnings : [...parsed.warnings, ...encoded.warnings] };
}

function passed(client: ClientDialect, raw: JsonObject, outside: AskedOutside, target: Target, request: Parameters<ClientDialect["pass"]>[0]["request"]): JsonObject {
  const bytes = new TextEncoder().encode(JSON.stringify(raw));
  const scan = scanBody(bytes);
  if (scan.kind !== "object") throw new Error(`not a body: ${scan.kind}`);
  const { edits } = client.pass({ bytes, scan, raw, request, outside }, target);
  return JSON.parse(new TextDecoder().decode(splice(bytes, edits))) as JsonObject;
}

/** Judge one feature: `raw` asks for it, `place` says where it belongs. */
export function judgeRequest(key: RequestFeature, surface: SurfaceName, raw: JsonObject, dialect: DialectId, target: Target, place: Place): Found {
  const { named } = featureOf(key);
  const sent = send(surface, raw, dialect, target);
  if (sent.kind === "refused") {
    const { param, message } = sent.refusal;
    const said = [`${param}: ${message}`];
    return { word: named.test(said[0] ?? "") ? "refused" : "refused for something else", said };
  }
  if (passes(surface, dialect)) return { word: isDeepStrictEqual(withoutModel(sent.body), withoutModel(raw)) ? "carried" : "changed on the way", said: [] };
  const said = sent.warnings.filter((warning) => named.test(warning));
  const told = said.length > 0;
  if (place.native?.(sent.body) === true) return { word: told ? "carried, and warned of" : "carried", said };
  if (place.emulated?.(sent.body) === true) return { word: told ? "emulated!" : "emulated", said };
  return { word: told ? "warned" : "lost", said };
}

function withoutModel({ model: _, ...rest }: JsonObject): JsonObject {
  return rest;
}

