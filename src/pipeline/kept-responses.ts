/** Responses that were kept: read again, listed by their input, forgotten. Nothing here calls a provider or costs anything. */
import { clientOf } from "../providers/dialects/clients.ts";
import { inputItemsPage } from "../providers/dialects/responses/client.ts";
import { gatewayError, statusOf, type GatewayError } from "../wire/errors.ts";
import type { JsonObject } from "../wire/json.ts";
import { answerHeaders, errorHeaders } from "./answer-headers.ts";
import type { Deps } from "./deps.ts";
import type { Inbound } from "./inbound.ts";
import { responseScope, turnsOf } from "./responses.ts";

const encoder = new TextEncoder();

/** Serve a request about one kept response. */
export function serveKept(deps: Deps, inbound: Inbound): void {
  const { asked } = inbound;
  const id = asked.id ?? "";
  const query = new URLSearchParams(asked.query);
  const told =
    asked.surface === "response-input-items" ? inputItems(deps, inbound, id, query)
    : asked.surface === "response-cancel" ? cancelled(deps, inbound, id)
    : asked.method === "DELETE" ? deleted(deps, inbound, id)
    : response(deps, inbound, id, query);
  told
    .then((result) => tell(inbound, result))
    .catch((problem: unknown) => {
      deps.log.error("request_crashed", { request: inbound.requestId, error: problem instanceof Error ? (problem.stack ?? problem.message) : String(problem) });
      tell(inbound, gatewayError("internal_error", "The gateway failed at this request; its log says how."));
    });
}

type Told = JsonObject | GatewayError;

async function response(deps: Deps, inbound: Inbound, id: string, query: URLSearchParams): Promise<Told> {
  if (query.get("stream") === "true") return gatewayError("unsupported_parameter", "A kept response is told whole, not as a stream: only one that is made in the background could be followed.", { param: "stream" });
  const turn = (await turnsOf(deps, inbound, id))?.at(-1);
  return turn === undefined ? notFound(deps, id) : turn.response;
}

async function inputItems(deps: Deps, inbound: Inbound, id: string, query: URLSearchParams): Promise<Told> {
  const turns = await turnsOf(deps, inbound, id);
  return turns === null ? notFound(deps, id) : inputItemsPage(turns, { order: query.get("order"), after: query.get("after"), limit: query.get("limit") });
}

async function deleted(deps: Deps, inbound: Inbound, id: string): Promise<Told> {
  const was = await deps.state.delete(responseScope(inbound, "responses"), id);
  return was ? { id, object: "response", deleted: true } : notFound(deps, id);
}

async function cancelled(deps: Deps, inbound: Inbound, id: string): Promise<Told> {
  const kept = await deps.state.get(responseScope(inbound, "responses"), id);
  return kept === undefined ? notFound(deps, id) : gatewayError("not_cancellable", "Cannot cancel a synchronous response: only one that is made in the background could be, and none is made so here.");
}

/** The same for what never was, what expired, and what is another key's. */
function notFound(deps: Deps, id: string): GatewayError {
  const why = deps.state.mode === "off" ? " None is kept here (responses.store: off)." : "";
  return gatewayError("response_not_found", `Response with id '${id.slice(0, 100)}' not found.${why}`);
}

function tell(inbound: Inbound, told: Told): void {
  const error = "code" in told && "message" in told && "param" in told ? (told as GatewayError) : null;
  const body = encoder.encode(JSON.stringify(error === null ? told : clientOf("responses").encodeError(error, inbound.requestId)));
  const facts = { requestId: inbound.requestId, route: null, deployment: null, attempts: 0, costNanoUsd: undefined, estimated: false, warnings: [], simulated: false };
  const more = ["content-type", "application/json", "content-length", String(body.length), ...(error === null ? [] : errorHeaders(error))];
  inbound.reply.head(error === null ? 200 : statusOf(error), answerHeaders(facts, more));
  inbound.reply.end(body);
  inbound.done();
}
