/**
 * Fits a request to one deployment: what the deployment lacks is made up for, and wishes that it refuses are left out
 * where the route is lenient. Requests that need nothing special never come here.
 */
import type { Deployment } from "../decide/deployment.ts";
import { lacked, type Need } from "../decide/needs.ts";
import { capabilitiesOf } from "../providers/capabilities.ts";
import type { PassedBody } from "../providers/dialects/client.ts";
import type { Dialect, EncodedRequest, Target, Unsupported } from "../providers/dialects/dialect.ts";
import type { CapabilityTable } from "../wire/capability.ts";
import type { ChatRequest } from "../wire/chat.ts";
import { removalOf, scanBody, splice } from "../wire/scan.ts";
import type { RemoteImages } from "./remote-images.ts";
import { StructuredOutput, type JsonFormat } from "./structured.ts";
import type { Later } from "./surface.ts";

const tables = new WeakMap<Deployment, CapabilityTable>();

/** What a deployment can do; made once for each. */
export function tableOf(deployment: Deployment): CapabilityTable {
  let table = tables.get(deployment);
  if (table === undefined) tables.set(deployment, (table = capabilitiesOf(deployment)));
  return table;
}

/** A request as one deployment can take it. */
export interface Fitted {
  readonly kind: "fitted";
  readonly request: ChatRequest;
  /** Top-level members that must not be in a body that passes. */
  readonly without: readonly string[];
  /** The client's bytes cannot pass even so. */
  readonly rewritten: boolean;
  readonly warnings: readonly string[];
  readonly structured: StructuredOutput | null;
}

/** The fittings of one request. */
export class Fitting {
  readonly #request: ChatRequest;
  readonly #needs: readonly Need[];
  readonly #images: RemoteImages | null;
  /** By deployment: a repair must know what it repairs. */
  readonly #structured = new Map<string, StructuredOutput>();

  constructor(request: ChatRequest, needs: readonly Need[], images: RemoteImages | null) {
    this.#request = request;
    this.#needs = needs;
    this.#images = images;
  }

  /** null: the request fits as it is; `later`: something has to be fetched first. `passes`: the client's bytes would reach the deployment. */
  fit(deployment: Deployment, passes: boolean): Fitted | Later | Unsupported | null {
    const table = tableOf(deployment);
    const lacks = lacked(this.#needs, table, passes, deployment.told);
    if (lacks.length === 0) return null;
    let request = this.#request;
    let structured: StructuredOutput | null = null;
    let rewritten = false;
    const without: string[] = [];
    const warnings: string[] = [];
    for (const { capability, param, missing } of lacks) {
      if (missing === "drop") {
        request = withoutWish(request, param) ?? request;
        without.push(param);
        warnings.push(`${param} was left out: the model refuses it`);
      } else if (missing !== "emulate") continue;
      else if (capability === "tools" || capability === "tool_choice_none") {
        if (request.tools.length === 0) continue;
        request = { ...request, tools: [], toolChoice: undefined, parallelToolCalls: undefined };
        without.push("tools", "tool_choice", ...(this.#request.parallelToolCalls === undefined ? [] : ["parallel_tool_calls"]));
        warnings.push(`tools were left out: ${table.tools === false ? "the model takes none" : "the model cannot be kept from calling them"}, and none may be called`);
      } else if (capability === "image_url") {
        const fetched = this.#images?.fill(request, deployment) ?? null;
        if (fetched === null) continue;
        if (fetched.kind !== "filled") return fetched;
        rewritten ||= fetched.request !== request;
        ({ request } = fetched);
      } else if (structured === null && isJson(this.#request.responseFormat)) {
        structured = this.#structuredFor(deployment, this.#request.responseFormat);
        rewritten = true;
        warnings.push(...structured.warnings(request.stream));
      }
    }
    if (structured !== null) {
      const beside = request.tools.length === 0 || request.toolChoice?.kind === "none" || table.json_beside_tools === true;
      request = structured.ask(request, table.json_object === true && beside);
    }
    return { kind: "fitted", request, without, rewritten, warnings, structured };
  }

  #structuredFor(deployment: Deployment, format: JsonFormat): StructuredOutput {
    let structured = this.#structured.get(deployment.id);
    if (structured === undefined) this.#structured.set(deployment.id, (structured = new StructuredOutput(this.#request, format)));
    return structured;
  }
}

function isJson(format: ChatRequest["responseFormat"]): format is JsonFormat {
  return format !== undefined && format.kind !== "text";
}

/** A body with members taken out, the rest byte for byte; null where one of them does not stand at the top. */
export function passedWithout(body: PassedBody, members: readonly string[]): PassedBody | null {
  let { bytes, scan } = body;
  const raw: Record<string, PassedBody["raw"][string]> = { ...body.raw };
  for (const name of members) {
    const at = scan.members.findIndex((member) => member.key === name);
    if (at < 0) return null;
    bytes = splice(bytes, [removalOf(scan, at)]);
    const again = scanBody(bytes);
    if (again.kind !== "object") return null;
    scan = again;
    delete raw[name];
  }
  return { ...body, bytes, scan, raw };
}

/** Encode a request. On a lenient route, wishes that the encoder refuses are left out one by one, each with a warning. */
export function encodeFor(dialect: Dialect, asked: ChatRequest, target: Target, lenient: boolean): EncodedRequest | Unsupported {
  const warnings: string[] = [];
  let request = asked;
  for (;;) {
    const encoded = dialect.encodeChat(request, target);
    if (encoded.kind === "encoded") return warnings.length === 0 ? encoded : { ...encoded, warnings: [...warnings, ...encoded.warnings] };
    const rest = lenient ? withoutWish(request, encoded.param) : null;
    if (rest === null) return encoded;
    warnings.push(`${encoded.param} was left out: ${encoded.message}`);
    request = rest;
  }
}

/** How wishes are taken back: by the client's name of the field, the hub's. */
const WISHES: Readonly<Record<string, readonly (keyof ChatRequest)[]>> = {
  temperature: ["temperature"],
  top_p: ["topP"],
  top_k: ["topK"],
  seed: ["seed"],
  presence_penalty: ["presencePenalty"],
  frequency_penalty: ["frequencyPenalty"],
  logprobs: ["logprobs", "topLogprobs"],
  top_logprobs: ["topLogprobs"],
  logit_bias: ["logitBias"],
  reasoning_effort: ["reasoningEffort"],
  parallel_tool_calls: ["parallelToolCalls"],
  service_tier: ["serviceTier"],
  user: ["user"],
  metadata: ["metadata"],
};
/** The same among the fields that the hub only keeps. */
const OTHER_WISHES = new Set(["verbosity", "prediction", "store", "prompt_cache_key", "prompt_cache_retention", "safety_identifier"]);

/** The request without a wish; null where the field is none, or is not in it. */
function withoutWish(request: ChatRequest, param: string): ChatRequest | null {
  if (OTHER_WISHES.has(param) && request.other[param] !== undefined) return { ...request, other: { ...request.other, [param]: undefined } };
  const fields = Object.hasOwn(WISHES, param) ? WISHES[param] : undefined;
  if (fields === undefined || fields.every((field) => request[field] === undefined)) return null;
  return { ...request, ...Object.fromEntries(fields.map((field) => [field, undefined])) };
}
