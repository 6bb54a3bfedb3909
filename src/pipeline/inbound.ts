/** What every endpoint does first: read the body safely, resolve the name, find the deadline. */
import type { Route } from "../decide/deployment.ts";
import type { Resolution } from "../decide/names.ts";
import type { InboundCall } from "../ports.ts";
import { gatewayError, statusOf, type GatewayError } from "../wire/errors.ts";
import { isObject, type JsonObject } from "../wire/json.ts";
import { scanBody, type BodyScan } from "../wire/scan.ts";
import { answerHeaders, errorHeaders } from "./answer-headers.ts";
import { permittedRoute, type ResolvedRoute } from "./permitted.ts";
import type { Snapshot } from "./deps.ts";

/** A call together with the configuration it started with. */
export interface Inbound extends InboundCall {
  readonly snapshot: Snapshot;
  /** Told of a request that is answered with an error before anything was called, and so has no record. */
  readonly refused?: (inbound: Inbound, error: GatewayError, told: Refusal) => void;
}

/** What is known of a request that is refused, besides its error. */
export interface Refusal {
  /** Absent: it was not known yet. */
  readonly route?: string;
  /** Where the error's code does not tell enough. */
  readonly why?: string;
}
const NOTHING_KNOWN: Refusal = {};

export interface ReadBody {
  readonly kind: "body";
  readonly raw: JsonObject;
  readonly scan: Extract<BodyScan, { kind: "object" }>;
}

const MOST_HOPS = 20;
const strictUtf8 = new TextDecoder("utf-8", { fatal: true });

/** Parse and scan a JSON body. Errors say where. */
export function readBody(bytes: Uint8Array): ReadBody | { readonly kind: "error"; readonly error: GatewayError } {
  const problem = (code: Parameters<typeof gatewayError>[0], message: string, param: string | null = null) => ({ kind: "error", error: gatewayError(code, message, { param }) }) as const;
  if (bytes.length === 0) return problem("invalid_json", "The body is empty; a JSON object is expected.");
  let text: string;
  try {
    text = strictUtf8.decode(bytes);
  } catch {
    return problem("invalid_json", "The body is not valid UTF-8.");
  }
  const scan = scanBody(bytes);
  if (scan.kind === "too_deep") return problem("too_deep", `The body nests deeper than ${scan.limit} levels.`);
  if (scan.kind === "too_many") return problem("too_many_values", `The body holds more than ${scan.limit} objects and lists.`);
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch (error) {
    return problem("invalid_json", `The body is not valid JSON: ${(error as Error).message.slice(0, 200)}`);
  }
  if (!isObject(raw) || scan.kind === "not_an_object") return problem("invalid_body", "The body must be a JSON object.");
  if (scan.kind === "duplicate") return problem("duplicate_field", `"${scan.key}" occurs twice at the same level. Two readers may take different ones, so neither is taken: send it once.`, scan.key);
  if (scan.kind !== "object") return problem("invalid_json", "The body is not valid JSON.");
  return { kind: "body", raw, scan };
}

/** Resolve the model's name to a route as this caller may use it, or to the error that says what to do. */
export function resolveRoute(inbound: Pick<Inbound, "snapshot" | "caller" | "header">, model: string): ResolvedRoute {
  const found: Resolution = inbound.snapshot.directory.resolve(model);
  if (found.kind !== "route") return { kind: "error", error: gatewayError(found.code, found.message, { param: "model" }) };
  const residency = inbound.header("x-spillway-residency");
  if (inbound.caller.policy === undefined && residency === undefined) return { kind: "route", route: found.route };
  return permittedRoute(found.route, model, inbound.caller, residency);
}

/**
 * Our `via` upstream: the gateways of our kind that the request has passed through, and us. By it each of them knows its
 * own requests when they come round. Other proxies' names stay with us.
 */
export function viaOf(incoming: string | undefined, instance: string): string {
  if (incoming === undefined) return `1.1 ${instance}`;
  const passed = incoming.match(/\bspillway-[0-9a-f]{12}\b/g) ?? [];
  return [...passed.slice(-MOST_HOPS), instance].map((name) => `1.1 ${name}`).join(", ");
}

/**
 * The smallest of the route's deadline, `x-spillway-deadline-ms`, and the SDK's own timeout less five seconds. Where nobody
 * waits (`patient`), an answer may take as long as a stream may live, and the SDK's timeout is not of it.
 */
export function deadlineMsOf(route: Route, header: Inbound["header"], patient = false): number | GatewayError {
  let deadlineMs = patient ? Math.max(route.clocks.deadlineMs, route.clocks.lifetimeMs) : route.clocks.deadlineMs;
  const asked = header("x-spillway-deadline-ms");
  if (asked !== undefined) {
    const ms = Number(asked);
    if (!Number.isFinite(ms) || ms <= 0) return gatewayError("invalid_header", `x-spillway-deadline-ms must be a positive number of milliseconds, not "${asked.slice(0, 40)}".`);
    deadlineMs = Math.min(deadlineMs, ms);
  }
  const sdkS = patient ? Number.NaN : Number(header("x-stainless-timeout") ?? Number.NaN);
  // A short timeout of the SDK leaves half of itself, so that our answer still arrives before it gives up.
  if (Number.isFinite(sdkS) && sdkS > 0) deadlineMs = Math.min(deadlineMs, Math.max(sdkS * 1000 - 5_000, sdkS * 500));
  return deadlineMs;
}

export type ErrorEncoder = (error: GatewayError) => JsonObject;

/** What is known of a request on this route that is refused; `undefined`: of none yet. */
export function refusalOf(route: Pick<Route, "name"> | undefined, why?: string): Refusal {
  return { ...(route === undefined ? {} : { route: route.name }), ...(why === undefined ? {} : { why }) };
}

/** Answer with an error before anything was tried. */
export function refuse(inbound: Inbound, error: GatewayError, encode: ErrorEncoder, more: readonly string[] = [], told = NOTHING_KNOWN): void {
  inbound.refused?.(inbound, error, told);
  const facts = { requestId: inbound.requestId, route: null, deployment: null, attempts: 0, costNanoUsd: undefined, estimated: false, warnings: [], simulated: inbound.snapshot.simulated };
  inbound.reply.head(statusOf(error), answerHeaders(facts, ["content-type", "application/json", ...errorHeaders(error), ...more]));
  inbound.reply.end(new TextEncoder().encode(JSON.stringify(encode(error))));
  inbound.done();
}
