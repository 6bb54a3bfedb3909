/** What a repeat of a request with an Idempotency-Key is told. */
import { clientOf } from "../providers/dialects/clients.ts";
import { gatewayError, statusOf, type GatewayError } from "../wire/errors.ts";
import { asString, type JsonObject } from "../wire/json.ts";
import { servedFacts, type SurfaceName } from "../wire/surfaces.ts";
import { answerHeaders, errorHeaders, usd, withoutRates } from "./answer-headers.ts";
import { recordFor } from "./idempotency-record.ts";
import type { WholeAnswer } from "./idempotency-reply.ts";
import type { Inbound } from "./inbound.ts";

/** A call to a provider, as the ledger has it. */
export interface KnownAttempt {
  readonly deployment: string;
  readonly state: string;
  readonly costNanoUsd: number | null;
}

const REPLAYED = ["x-spillway-replayed", "true"];
const encoder = new TextEncoder();

export const INVALID_KEY = gatewayError("invalid_header", "Idempotency-Key must be 1 to 255 printable ASCII characters.");
export const MISMATCH = gatewayError("idempotency_mismatch", "This Idempotency-Key came with another request before: another body, another endpoint, or another key of the same organisation. Use a new one for each request, and the same one only to repeat it.");
export const UNAVAILABLE = gatewayError("idempotency_unavailable", "It cannot be noted now that this request is made, so a repeat of it could be made twice; nothing was sent. Try again, or leave Idempotency-Key out.");

/** The first one is on its way. */
export function running(requestId: string): GatewayError {
  return gatewayError("idempotency_running", `The first request with this Idempotency-Key (${requestId}) is still running. Nothing more was sent; ask again for its answer.`, { retryAfterMs: 1_000 });
}

const NOT_AGAIN = "It is not made again under this key for 24 hours; use a new key to make it anew.";

/** The first one was begun by a process that is gone, or broke. `attempts`: null where the ledger cannot be read. */
export function unfinished(call: Inbound, requestId: string, attempts: readonly KnownAttempt[] | null): GatewayError {
  const expose = call.caller.policy?.expose ?? "id+cost";
  const calls = attempts?.map(({ deployment, state, costNanoUsd }) => {
    const cost = expose !== "id+cost" || costNanoUsd === null ? "" : ` (${usd(costNanoUsd)} USD)`;
    return `${expose === "none" ? "one call" : deployment}: ${state === "held" ? "open, not settled yet" : `${state}${cost}`}`;
  });
  const known = calls === undefined ? "What it came to cannot be read now" : `Of its calls to providers the ledger says: ${calls.join("; ")}`;
  return gatewayError("idempotency_unfinished", `The gateway stopped while the first request with this Idempotency-Key (${requestId}) was running, so its answer is lost. ${known}. ${NOT_AGAIN}`);
}

/** An answer as it left the first time. */
export function tellAgain(call: Inbound, answer: WholeAnswer): void {
  call.reply.head(answer.status, [...withoutRates(answer.headers), ...REPLAYED]);
  call.reply.end(answer.body);
}

/** What is known of an answer that was not kept. What no SDK would take for an answer of its kind is told as an error. */
export function tellRecord(call: Inbound, record: JsonObject): void {
  const told = recordFor(record, call.caller.policy?.expose);
  const error = problemOf(record);
  const body = error === null ? told : { ...clientOf(formOf(call)).encodeError(error, requestIdOf(record)), spillway_record: told };
  const bytes = encoder.encode(JSON.stringify(body));
  const cost = record["cost_usd"];
  const facts = {
    requestId: requestIdOf(record),
    route: asString(record["route"]) ?? null,
    deployment: asString(record["deployment"]) ?? null,
    attempts: Array.isArray(record["attempts"]) ? record["attempts"].length : 0,
    costNanoUsd: typeof cost === "number" ? Math.round(cost * 1e9) : undefined,
    estimated: Array.isArray(record["flags"]) && record["flags"].includes("estimated"),
    warnings: [],
    simulated: call.snapshot.simulated,
    expose: call.caller.policy?.expose,
  };
  const more = error === null ? [] : [...errorHeaders(error), ...(clientOf(formOf(call)).errorHeaders?.(error) ?? [])];
  call.reply.head(error === null ? 200 : statusOf(error), answerHeaders(facts, ["content-type", "application/json", "content-length", String(bytes.length), ...more, ...REPLAYED]));
  call.reply.end(bytes);
}

function requestIdOf(record: JsonObject): string {
  return asString(record["request_id"]) ?? "";
}

function problemOf(record: JsonObject): GatewayError | null {
  const { outcome, stream } = record;
  const id = requestIdOf(record);
  if (outcome === "client_gone") return gatewayError("idempotency_unfinished", `The client of the first request with this Idempotency-Key (${id}) left before its answer had ended; what that cost stands in spillway_record. ${NOT_AGAIN}`);
  if (outcome !== "ok") return gatewayError("idempotency_not_kept", `The first request with this Idempotency-Key (${id}) failed after it had cost something, with ${asString(record["error_code"]) ?? "an error"}; see spillway_record. ${NOT_AGAIN}`);
  if (stream === true) return gatewayError("idempotency_not_kept", `The first request with this Idempotency-Key (${id}) was answered with a stream, and streams are not kept; what it came to stands in spillway_record. ${NOT_AGAIN}`);
  return null;
}

/** Whose form an error takes. */
export function formOf({ asked }: Pick<Inbound, "asked">): SurfaceName {
  const { surface } = asked;
  return asked.form ?? servedFacts(surface)?.form ?? (surface === "embeddings" ? "chat" : (surface as SurfaceName));
}
