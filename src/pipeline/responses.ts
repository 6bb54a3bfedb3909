/**
 * POST /v1/responses: chat whose answers can be continued by id. What a body names of earlier answers is looked up and put
 * before its own input, so that it can go to any deployment; the answer is kept before its last byte leaves. An answer in the
 * background is the same with a client of ours.
 */
import { clientOf } from "../providers/dialects/clients.ts";
import { continuesOf, foregroundEdits, keptOf, openingResponse, responseIn } from "../providers/dialects/responses/client.ts";
import { gatewayError, type GatewayError } from "../wire/errors.ts";
import { asString, type JsonObject } from "../wire/json.ts";
import { splice } from "../wire/scan.ts";
import { BackgroundRun } from "./background.ts";
import { serveChat, type ChatMore } from "./chat.ts";
import type { Deps } from "./deps.ts";
import { withEarlier, type ItemOf } from "./earlier-responses.ts";
import type { Exchange } from "./exchange.ts";
import { readBody, refuse, type Inbound, type ReadBody } from "./inbound.ts";
import { servePass } from "./pass-endpoint.ts";
import { keepResponse } from "./response-store.ts";

type Started = (exchange: Exchange | null) => void;

/** Serve one request. `started` is told once, at once or after the look-up: the running exchange, or null if the request was refused. */
export function serveResponses(deps: Deps, inbound: Inbound, started: Started): void {
  const refused = refusing(inbound, started);
  const body = readBody(inbound.body);
  if (body.kind === "error") return refused(body.error);
  const { raw } = body;
  const elsewhere = keptElsewhere(deps, inbound, raw);
  if (elsewhere !== null) return refused(elsewhere);
  if (raw["background"] === true) return serveInBackground(deps, inbound, body, started);
  if (deps.state.mode === "off") {
    // Clients are told that nothing can be read again.
    return serveChat(deps, inbound, started, { body, shown: { ...raw, store: false } });
  }
  withEarlier(deps, inbound, body, refused, (next, read, more, itemOf) => serveChat(deps, next, started, { ...more, body: read, ...keeping(deps, inbound, raw, itemOf) }));
}

/** POST /v1/responses/compact, for providers that have it; what the body names of earlier answers is in it. */
export function serveCompact(deps: Deps, inbound: Inbound, started: Started): void {
  const refused = refusing(inbound, started);
  const body = readBody(inbound.body);
  if (body.kind === "error") return refused(body.error);
  const elsewhere = keptElsewhere(deps, inbound, body.raw);
  if (elsewhere !== null) return refused(elsewhere);
  withEarlier(deps, inbound, body, refused, (next, _, { warnings }) => started(servePass(deps, next, "responses-compact", warnings)));
}

function refusing(inbound: Inbound, started: Started): (error: GatewayError) => void {
  return (error) => {
    tellError(inbound, error);
    started(null);
  };
}

function tellError(inbound: Inbound, error: GatewayError): void {
  refuse(inbound, error, (told) => clientOf("responses").encodeError(told, inbound.requestId));
}

/** The error for a body that names what is kept at the provider and not here; null: it names nothing, or callers share it. */
function keptElsewhere(deps: Deps, inbound: Inbound, raw: JsonObject): GatewayError | null {
  if (inbound.snapshot.sharesKept) return null;
  const continues = deps.state.mode === "off" ? continuesOf(raw) : undefined;
  const param =
    raw["conversation"] !== undefined && raw["conversation"] !== null ? "conversation"
    : continues === undefined ? null
    : continues.previous === null ? "input"
    : "previous_response_id";
  if (param === null) return null;
  return gatewayError("files_not_served", `${param} names what the provider keeps for its account, so that every caller key could read another's. To serve it all the same, say files: shared in the configuration.`, { param });
}

/**
 * Answer at once that the response is being made, and make it: by an ordinary exchange, whose client is a run that keeps what
 * comes. What can be refused before anything is called is the answer instead.
 */
function serveInBackground(deps: Deps, inbound: Inbound, body: ReadBody, started: Started): void {
  const { raw, scan } = body;
  const refused = refusing(inbound, started);
  const wrong = backgroundError(deps, raw) ?? deps.background.enter();
  if (wrong !== null) return refused(wrong);
  // The run goes on without whoever asked for it.
  inbound.reply.onGone(() => {});
  let entered = true;
  const leave = (): void => {
    if (entered) deps.background.leave();
    entered = false;
  };
  const notBegun = (error: GatewayError): void => {
    leave();
    refused(error);
  };
  const bytes = splice(inbound.body, foregroundEdits(scan));
  const read = readBody(bytes);
  if (read.kind === "error") return notBegun(read.error);
  withEarlier(deps, { ...inbound, body: bytes }, read, notBegun, (next, asked, more, itemOf) => {
    const shown = { ...(more.shown ?? asked.raw), background: true };
    const createdS = Math.floor(deps.clock.wallMs() / 1000);
    const head = { requestId: inbound.requestId, model: asString(raw["model"]) ?? "", createdS, raw: shown, simulated: inbound.snapshot.simulated };
    const kept = keptOf(raw, openingResponse(head, "in_progress"), itemOf, null);
    const run = new BackgroundRun(deps, { inbound, kept, streams: raw["stream"] === true, refuse: (error) => tellError({ ...inbound, done: () => {} }, error) });
    const done = (): void => {
      void run.finished.then(() => {
        leave();
        inbound.done();
      });
    };
    const begun: Started = (exchange) => {
      started(exchange);
      // By the next tick whatever needs no call to be refused has been.
      if (exchange !== null) deps.clock.after(0, () => run.accept(exchange.settings.route.name, exchange.rates));
    };
    try {
      serveChat(deps, { ...next, reply: run, done }, begun, { ...more, body: asked, shown, patient: true });
    } catch (problem) {
      leave();
      throw problem;
    }
  });
}

function backgroundError(deps: Deps, raw: JsonObject): GatewayError | null {
  if (deps.state.mode === "off") return gatewayError("unsupported_parameter", "Answers in the background have to be kept until they are read, and none are kept here (responses.store: off). Leave background out, and take the answer as a stream if it is long.", { param: "background" });
  if (raw["store"] === false) return gatewayError("unsupported_parameter", "background needs store to be true: an answer that is not kept could not be read.", { param: "store" });
  const { stream } = raw;
  return stream === undefined || stream === null || typeof stream === "boolean" ? null : gatewayError("invalid_type", "stream must be a boolean.", { param: "stream" });
}

/** How an answer is kept, unless the client wants it not to be. */
function keeping(deps: Deps, inbound: Inbound, raw: JsonObject, itemOf: ItemOf): Pick<ChatMore, "keep"> {
  if (raw["store"] === false) return {};
  const keep = async (last: Uint8Array, madeBy: string | null): Promise<void> => {
    const response = responseIn(last, raw["stream"] === true);
    if (response === undefined) return;
    const done = await keepResponse(deps, inbound, keptOf(raw, response, itemOf, madeBy));
    if (!done) deps.log.warn("response_not_kept", { request: inbound.requestId, response: asString(response["id"]) ?? null });
  };
  return { keep };
}
