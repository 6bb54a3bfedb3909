/**
 * A batch of messages on its way to the account that will own it: each of its requests names a model as any other request
 * does, and all of them have to mean models of one account. Only those names change, everything else passes byte for byte.
 */
import { ordinary, type Deployment, type Route, type RouteCandidate } from "../decide/deployment.ts";
import { gatewayError, type GatewayError } from "../wire/errors.ts";
import { member, type Json } from "../wire/json.ts";
import { elementsOf } from "../wire/scan-list.ts";
import { scanBody, splice, type Edit, type TopLevelMember } from "../wire/scan.ts";
import { boundOfBatch, type BatchedCall } from "./batch-bound.ts";
import { readBody, type Inbound } from "./inbound.ts";
import type { ModelAsked } from "./scopes.ts";

export interface MessageBatch {
  readonly kind: "batch";
  readonly owner: Deployment;
  readonly body: Uint8Array;
  /** Some of it costs something. */
  readonly metered: boolean;
  /** The most that all of it can cost; null: not known. */
  readonly boundNanoUsd: number | null;
  /** Whom it asks: what limits one of them limits the batch. */
  readonly models: readonly ModelAsked[];
}
/** They are among the scopes of its row. */
const MODELS_MAX = 100;
type Refused = { readonly kind: "error"; readonly error: GatewayError };
interface NamedModel {
  /** Its place, as a client would write it. */
  readonly param: string;
  readonly name: string;
  readonly start: number;
  readonly end: number;
  /** How long its request's params are. */
  readonly paramsBytes: number;
}
interface Named {
  readonly requests: readonly Json[];
  /** One for each of them. */
  readonly models: readonly NamedModel[];
}

/** Read a batch for one of the `keepers`: `account` if that is named, else the first that its first request's model means. */
export function readMessageBatch(inbound: Inbound, account: string | null, keepers: readonly Deployment[], wallMs: number): MessageBatch | Refused {
  const named = namedModels(inbound.body);
  if ("kind" in named) return named;
  const { models } = named;
  const meant = new Map<string, ModelAsked>();
  const edits: Edit[] = [];
  let owner = account === null ? undefined : keepers.find((one) => one.account === account);
  for (const { name, param, start, end } of models) {
    let asked = meant.get(name);
    if (asked === undefined) {
      if (meant.size === MODELS_MAX) return refused("unsupported_parameter", `A batch asks at most ${MODELS_MAX} models. Send the rest as a batch of its own.`, param);
      const meaning = routeOf(inbound, name, owner?.account);
      if ("kind" in meaning) return { kind: "error", error: { ...meaning.error, param } };
      const candidates = ordinary(meaning.candidates);
      owner ??= firstKeeper(candidates, keepers);
      if (owner === undefined) return refused("unsupported_parameter", `${JSON.stringify(name)} is served by no account that keeps batches of messages; those that do: ${keepers.map((one) => one.account).join(", ") || "none"}.`, param);
      const { account: ownerName } = owner;
      const found = candidates.find(({ deployment }) => deployment.account === ownerName);
      if (found === undefined) {
        const why = account === null ? `the first request goes to the account ${ownerName}` : `the batch is for the account ${ownerName}`;
        return refused("unsupported_parameter", `All requests of a batch go to one account: ${why}, but ${JSON.stringify(name)} means ${candidates.map(({ deployment }) => deployment.id).join(", ")}. Send it as a batch of its own.`, param);
      }
      asked = { route: meaning.name, deployment: found.deployment };
      meant.set(name, asked);
    }
    const { upstreamModel } = asked.deployment;
    if (upstreamModel !== name) edits.push({ start, end, text: JSON.stringify(upstreamModel) });
  }
  const calls = models.map(({ name, paramsBytes }, i): BatchedCall => ({ params: member(named.requests[i], "params"), bytes: paramsBytes, deployment: (meant.get(name) as ModelAsked).deployment }));
  return { kind: "batch", models: [...meant.values()], owner: owner as Deployment, body: edits.length === 0 ? inbound.body : splice(inbound.body, edits), metered: calls.some(({ deployment }) => deployment.pricing.kind !== "unmetered"), boundNanoUsd: boundOfBatch(calls, inbound.header, wallMs) };
}

/** What a name means; one that alone means nothing, or too much, may still be the account's own. */
function routeOf({ snapshot: { directory } }: Inbound, name: string, account: string | undefined): Route | Refused {
  const meant = directory.resolve(name);
  if (meant.kind === "route") return meant.route;
  const own = account === undefined ? meant : directory.resolve(`${account}/${name}`);
  return own.kind === "route" ? own.route : refused(meant.code, meant.message, null);
}

function firstKeeper(candidates: readonly RouteCandidate[], keepers: readonly Deployment[]): Deployment | undefined {
  for (const { deployment } of candidates) {
    const keeper = keepers.find((one) => one.account === deployment.account);
    if (keeper !== undefined) return keeper;
  }
  return undefined;
}

/** The models of all requests, with their places. */
function namedModels(bytes: Uint8Array): Named | Refused {
  const body = readBody(bytes);
  if (body.kind === "error") return body;
  const list = memberOf(body.scan.members, "requests", "requests");
  if ("kind" in list) return list;
  const requests = body.raw["requests"];
  if (!Array.isArray(requests)) return refused("invalid_type", "requests must be a list.", "requests");
  if (requests.length === 0) return refused("missing_field", "requests is empty: a batch has at least one request.", "requests");
  const found: NamedModel[] = [];
  for (const [i, { start, end }] of elementsOf(bytes, list.valueStart).entries()) {
    const model = modelOf(bytes, start, end, `requests[${i}]`);
    if ("kind" in model) return model;
    found.push(model);
  }
  return { requests, models: found };
}

/** `params.model` of the request that stands at these bytes. */
function modelOf(bytes: Uint8Array, start: number, end: number, place: string): NamedModel | Refused {
  const request = scanBody(bytes.subarray(start, end));
  if (request.kind !== "object") return refused("invalid_type", `${place} must be an object.`, place);
  const params = memberOf(request.members, "params", `${place}.params`);
  if ("kind" in params) return params;
  const at = start + params.valueStart;
  const inside = scanBody(bytes.subarray(at, start + params.valueEnd));
  if (inside.kind !== "object") return refused("invalid_type", `${place}.params must be an object.`, `${place}.params`);
  const param = `${place}.params.model`;
  const model = memberOf(inside.members, "model", param);
  if ("kind" in model) return model;
  const name: unknown = JSON.parse(new TextDecoder().decode(bytes.subarray(at + model.valueStart, at + model.valueEnd)));
  if (typeof name !== "string") return refused("invalid_type", `${param} must be a string.`, param);
  return { param, name, start: at + model.valueStart, end: at + model.valueEnd, paramsBytes: params.valueEnd - params.valueStart };
}

/** The one member of that name. */
function memberOf(members: readonly TopLevelMember[], key: string, param: string): TopLevelMember | Refused {
  const [first, second] = members.filter((member) => member.key === key);
  if (first === undefined) return refused("missing_field", `${param} is missing.`, param);
  return second === undefined ? first : refused("duplicate_field", `${param} occurs twice. Two readers may take different ones, so neither is taken: send it once.`, param);
}

function refused(code: GatewayError["code"], message: string, param: string | null): Refused {
  return { kind: "error", error: gatewayError(code, message, { param }) };
}
