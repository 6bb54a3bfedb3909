/** Says what became of one feature of a request: whether it stands at its place in the body that left, or was named. */
import { isDeepStrictEqual } from "node:util";
import type { Target } from "../../src/providers/dialects/dialect.ts";
import type { DialectId } from "../../src/wire/facts.ts";
import type { JsonObject } from "../../src/wire/json.ts";
import { passes } from "./expected.ts";
import { featureOf, type RequestFeature } from "./features.ts";
import type { Gateway, Outcome } from "./gateway.ts";
import { TEXT } from "./marks.ts";
import type { SurfaceSpec } from "./surfaces/spec.ts";
import type { Place } from "./upstreams/places.ts";
import { WRITERS } from "./writers/index.ts";

/** What the run found: a word of the expectation, or what is wrong. */
export interface Found {
  readonly word: string;
  /** What the client was told of it. */
  readonly said: readonly string[];
}

/** An answer that any request of the matrix can take, those for JSON among them. */
const ANSWER = { choices: [[{ kind: "text", text: `{"zq_year":1843}` }]], finish: "stop" } as const;

/** Send one feature and judge it. `place` says where it belongs. */
export async function judgeRequest(gateway: Gateway, key: RequestFeature, spec: SurfaceSpec, raw: JsonObject, dialect: DialectId, target: Target, place: Place): Promise<Found> {
  const answer = { json: WRITERS[dialect].json(ANSWER), events: WRITERS[dialect].stream(ANSWER) };
  const outcome = await gateway.ask(spec.surface, raw, target, answer);
  const refusal = refusalOf(key, outcome);
  if (refusal !== null) return refusal;
  const [body] = outcome.sent;
  if (body === undefined) throw new Error(`${spec.surface} over ${dialect}: nothing was sent`);
  if (passes(spec.surface, dialect) && isDeepStrictEqual(withoutModel(body), withoutModel(raw))) return { word: "carried", said: [] };
  return judgeBody(key, body, outcome.warnings, place);
}

/**
 * Judge what refers to an earlier answer by its id, which the gateway keeps. Asked to keep the first, it is asked to go on from
 * it: then what the first said is in what the provider gets.
 */
export async function judgeKept(gateway: Gateway, key: RequestFeature, spec: SurfaceSpec, dialect: DialectId, target: Target): Promise<Found> {
  const answer = { json: WRITERS[dialect].json(ANSWER), events: WRITERS[dialect].stream(ANSWER) };
  const asked = { ...spec.base, store: true };
  const first = await gateway.ask(spec.surface, asked, target, answer);
  const passed = passes(spec.surface, dialect);
  if (key === "store" && passed && isDeepStrictEqual(withoutModel(first.sent[0] ?? {}), withoutModel(asked))) return { word: "carried", said: [] };
  const { id } = JSON.parse(new TextDecoder().decode(first.reply)) as { readonly id: string };
  const raw = { ...spec.base, store: false, input: TEXT.next, previous_response_id: id };
  const next = await gateway.ask(spec.surface, raw, target, answer);
  const refusal = refusalOf(key, next);
  if (refusal !== null) return refusal;
  const [body = {}] = next.sent;
  if (passed && isDeepStrictEqual(withoutModel(body), withoutModel(raw))) return { word: "carried", said: [] };
  return judgeBody(key, body, [...first.warnings, ...next.warnings], { emulated: (one) => JSON.stringify(one).includes(TEXT.hello) });
}

/** What a refusal comes to; null where it was served. */
export function refusalOf(key: RequestFeature, { status, reply }: Pick<Outcome, "status" | "reply">): Found | null {
  if (status === 200) return null;
  const text = new TextDecoder().decode(reply);
  if (status === 400 && featureOf(key).named.test(text)) return { word: "refused", said: [text] };
  return { word: `refused with ${status} for something else`, said: [text] };
}

/** What stands in a body, and what was said of it. */
export function judgeBody(key: RequestFeature, body: JsonObject, warnings: readonly string[], place: Place): Found {
  const said = warnings.filter((warning) => featureOf(key).named.test(warning));
  const told = said.length > 0 ? "!" : "";
  if (place.native?.(body) === true) return { word: `carried${told}`, said };
  if (place.emulated?.(body) === true) return { word: `emulated${told}`, said };
  return { word: said.length > 0 ? "warned" : "lost", said };
}

function withoutModel(body: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(body).filter(([key]) => key !== "model"));
}
