/** Responses that were kept or are being made: read again, followed, listed by their input, called off, forgotten. Nothing here calls a provider or costs anything. */
import { clientOf } from "../providers/dialects/clients.ts";
import { failedResponse, inputItemsPage, isRunning, type KeptResponse } from "../providers/dialects/responses/client.ts";
import { gatewayError, statusOf, type GatewayError } from "../wire/errors.ts";
import { asString, type JsonObject } from "../wire/json.ts";
import { answerHeaders, errorHeaders, streamHead, without } from "./answer-headers.ts";
import type { Deps } from "./deps.ts";
import type { Inbound } from "./inbound.ts";
import { keepResponse, keptResponse, responseScope, turnsOf } from "./response-store.ts";
import type { RunEvents } from "./run-events.ts";

const encoder = new TextEncoder();
const STREAM_TYPE = "text/event-stream; charset=utf-8";

/** Serve a request about one response. */
export function serveKept(deps: Deps, inbound: Inbound): void {
  const { asked } = inbound;
  const id = asked.id ?? "";
  const query = new URLSearchParams(asked.query);
  const told =
    asked.surface === "response-input-items" ? inputItems(deps, inbound, id, query)
    : asked.surface === "response-cancel" ? cancelled(deps, inbound, id)
    : asked.method === "DELETE" ? deleted(deps, inbound, id)
    : query.get("stream") === "true" ? followed(deps, inbound, id, query)
    : response(deps, inbound, id);
  told
    .then((result) => tell(inbound, result))
    .catch((problem: unknown) => {
      deps.log.error("request_crashed", { request: inbound.requestId, error: problem instanceof Error ? (problem.stack ?? problem.message) : String(problem) });
      tell(inbound, error("internal_error", "The gateway failed at this request; its log says how."));
    });
}

type Told =
  | { readonly kind: "body"; readonly body: JsonObject; /** Headers that told how it was made. */ readonly told?: readonly string[] }
  | { readonly kind: "events"; readonly events: RunEvents; readonly from: number }
  | { readonly kind: "error"; readonly error: GatewayError };

const body = (whole: JsonObject, told: readonly string[] = []): Told => ({ kind: "body", body: whole, told });
const error = (...of: Parameters<typeof gatewayError>): Told => ({ kind: "error", error: gatewayError(...of) });

async function response(deps: Deps, inbound: Inbound, id: string): Promise<Told> {
  const kept = await find(deps, inbound, id);
  return kept === undefined ? notFound(deps, id) : body(kept.response, kept.told);
}

/** The response as it is. One that was being made by a process that is gone has failed. */
async function find(deps: Deps, inbound: Inbound, id: string): Promise<KeptResponse | undefined> {
  const run = deps.background.find(inbound.caller, id);
  if (run !== undefined) return run.kept;
  const kept = await keptResponse(deps, inbound, id);
  if (kept === undefined || !isRunning(kept.response) || deps.background.find(inbound.caller, id) !== undefined) return kept;
  const failed = { ...kept, response: failedResponse(kept.response, { code: "server_error", message: "The gateway stopped before this response was finished, and with it what made the response. Create it again." }) };
  await keepResponse(deps, inbound, failed);
  return failed;
}

async function followed(deps: Deps, inbound: Inbound, id: string, query: URLSearchParams): Promise<Told> {
  const kept = await find(deps, inbound, id);
  if (kept === undefined) return notFound(deps, id);
  const refused = (message: string): Told => error("unsupported_parameter", message, { param: "stream" });
  if (kept.response["background"] !== true) return refused("This response cannot be streamed because it was not created with background=true.");
  const after = query.get("starting_after");
  const number = after === null || after === "" ? -1 : Number(after);
  if (!Number.isSafeInteger(number) || number < -1) return error("invalid_type", "starting_after must be the sequence_number of an event.", { param: "starting_after" });
  const events = deps.background.eventsOf(inbound.caller, id);
  if (events === undefined) return refused("This response cannot be streamed: it was not created with stream=true, or its events are no longer kept. Read it whole: leave stream out.");
  if (!events.keeps(number + 1)) return error("unsupported_parameter", `The events after ${number} are no longer kept: they were too many. Read the response whole, or follow it from a later event.`, { param: "starting_after" });
  if (events.endsBefore(number + 1)) return error("unsupported_parameter", `There are no events after ${number}: the response has ended, and its last event is ${events.next - 1}. Read it whole: leave stream out.`, { param: "starting_after" });
  return { kind: "events", events, from: number + 1 };
}

async function inputItems(deps: Deps, inbound: Inbound, id: string, query: URLSearchParams): Promise<Told> {
  const turns = await turnsOf(deps, inbound, id);
  return turns === null ? notFound(deps, id) : body(inputItemsPage(turns, { order: query.get("order"), after: query.get("after"), limit: query.get("limit") }));
}

async function deleted(deps: Deps, inbound: Inbound, id: string): Promise<Told> {
  const run = deps.background.find(inbound.caller, id);
  await run?.abandon();
  deps.background.forget(inbound.caller, id);
  const was = await deps.state.delete(responseScope(inbound, "responses"), id);
  return was || run !== undefined ? body({ id, object: "response", deleted: true }) : notFound(deps, id);
}

async function cancelled(deps: Deps, inbound: Inbound, id: string): Promise<Told> {
  const run = deps.background.find(inbound.caller, id);
  const kept = run === undefined ? await find(deps, inbound, id) : await run.cancel();
  if (kept === undefined) return notFound(deps, id);
  const { status, background } = kept.response;
  if (background !== true) return error("not_cancellable", "Cannot cancel a synchronous response.");
  // To call off twice is to call off.
  if (status === "cancelled") return body(kept.response, kept.told);
  return error("not_cancellable", status === "incomplete" ? "Cannot cancel a response in terminal state." : `Cannot cancel a ${asString(status) ?? "finished"} response.`);
}

/** The same for what never was, what expired, and what is another key's. */
function notFound(deps: Deps, id: string): Told {
  const why = deps.state.mode === "off" ? " None is kept here (responses.store: off)." : "";
  return error("response_not_found", `Response with id '${id.slice(0, 100)}' not found.${why}`);
}

function tell(inbound: Inbound, told: Told): void {
  const { reply, requestId } = inbound;
  const facts = { requestId, route: null, deployment: null, attempts: 0, costNanoUsd: undefined, estimated: false, warnings: [], simulated: false };
  if (told.kind === "events") {
    reply.head(200, without(answerHeaders(facts, streamHead(STREAM_TYPE)), ["x-spillway-attempts"]));
    told.events.follow(reply, told.from, inbound.done);
    return;
  }
  const failed = told.kind === "error" ? told.error : null;
  const bytes = encoder.encode(JSON.stringify(told.kind === "error" ? clientOf("responses").encodeError(told.error, requestId) : told.body));
  const headers = answerHeaders(facts, ["content-type", "application/json", "content-length", String(bytes.length), ...(failed === null ? [] : errorHeaders(failed))]);
  const made = told.kind === "body" ? (told.told ?? []) : [];
  reply.head(failed === null ? 200 : statusOf(failed), made.length === 0 ? headers : [...without(headers, ["x-spillway-attempts"]), ...made]);
  reply.end(bytes);
  inbound.done();
}
