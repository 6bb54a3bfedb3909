/** What is told outside of requests, in the form of the surface that was asked: errors and lists of models. */
import { ordinary } from "../decide/deployment.ts";
import { errorHeaders } from "../pipeline/answer-headers.ts";
import type { Snapshot } from "../pipeline/deps.ts";
import { tableOf } from "../pipeline/fitting.ts";
import { resolveRoute } from "../pipeline/inbound.ts";
import type { Caller } from "../ports.ts";
import type { ListedFacts, ListedModel } from "../providers/dialects/client.ts";
import { clientOf } from "../providers/dialects/clients.ts";
import { CAPABILITIES, type Capability, type CapabilityTable } from "../wire/capability.ts";
import { gatewayError, type GatewayError } from "../wire/errors.ts";
import type { JsonObject } from "../wire/json.ts";
import type { SurfaceName } from "../wire/surfaces.ts";
import { pageOf } from "./model-pages.ts";

/** An error's body. */
export function encodeError(error: GatewayError, form: SurfaceName, requestId: string): JsonObject {
  return clientOf(form).encodeError(error, requestId);
}

/** An error's headers. */
export function errorHeadersOf(error: GatewayError, form: SurfaceName): readonly string[] {
  return [...errorHeaders(error), ...(clientOf(form).errorHeaders?.(error) ?? [])];
}

/** All callable models, of which a caller sees those that it may use, or the page of them that the query asks for. */
export function modelList(snapshot: Snapshot, form: SurfaceName, caller: Caller | null = null, query = ""): JsonObject | GatewayError {
  const models = callable(snapshot);
  const mine = caller?.policy === undefined ? models : models.filter(({ id }) => resolveRoute({ snapshot, caller, header: NO_HEADER }, id).kind === "route");
  const write = clientOf(form).models ?? clientOf("chat").models;
  const page = pageOf(mine, query, write?.paging);
  return "code" in page ? page : (write?.list(page.models, page.more) ?? {});
}
const NO_HEADER = (): undefined => undefined;

/** One model, or the error that says what to do. */
export function modelEntry(snapshot: Snapshot, id: string, form: SurfaceName, caller: Caller | null = null): JsonObject | GatewayError {
  if (caller?.policy !== undefined) {
    const permitted = resolveRoute({ snapshot, caller, header: NO_HEADER }, id);
    if (permitted.kind === "error") return permitted.error;
  }
  const write = clientOf(form).models ?? clientOf("chat").models;
  const found = callable(snapshot).find((model) => model.id === id);
  if (found !== undefined) return write?.one(found) ?? {};
  const resolution = snapshot.directory.resolve(id);
  if (resolution.kind !== "route") return gatewayError(resolution.code, resolution.message, { param: "model" });
  const deployment = resolution.route.candidates[0]?.deployment;
  return write?.one({ id, name: id, createdS: 0, ownedBy: deployment?.provider.id ?? "spillway", about: () => aboutOf(snapshot, id), contextWindow: deployment?.contextWindow ?? null, maxOutput: deployment?.maxOutput ?? null }) ?? {};
}

function callable(snapshot: Snapshot): readonly ListedModel[] {
  return snapshot.directory.callable().map((model) => ({ ...model, name: model.id, contextWindow: null, maxOutput: null, about: () => aboutOf(snapshot, model.id) }));
}

/** Of what the owner named behind a name: what any of it can do, since what cannot is passed over. */
function aboutOf(snapshot: Snapshot, name: string): ListedFacts | null {
  const resolution = snapshot.directory.resolve(name);
  if (resolution.kind !== "route") return null;
  const candidates = ordinary(resolution.route.candidates);
  const named = candidates.filter((candidate) => !candidate.automatic);
  const deployments = (named.length > 0 ? named : candidates).map((candidate) => candidate.deployment);
  const [first] = deployments;
  if (first === undefined) return null;
  const tables = deployments.map(tableOf);
  // A prompt that is too long for all others goes to who is listed for that.
  const forLong = resolution.route.candidates.flatMap(({ after, deployment }) => (after === "context" ? [deployment] : []));
  const windows = [...deployments, ...forLong].flatMap(({ contextWindow }) => (contextWindow === null ? [] : [contextWindow]));
  const best = (capability: Capability): boolean | null => (tables.some((table) => table[capability] === true) ? true : tables.every((table) => table[capability] === false) ? false : null);
  return {
    kind: first.model?.type ?? "chat",
    contextWindow: windows.length === 0 ? null : Math.max(...windows),
    reasons: deployments.some((deployment) => deployment.reasons),
    can: Object.fromEntries(CAPABILITIES.map((capability) => [capability, best(capability)])) as CapabilityTable,
  };
}
