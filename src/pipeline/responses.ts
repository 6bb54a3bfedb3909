/**
 * POST /v1/responses: chat whose answers can be continued by id. What a body names of earlier answers is looked up and put
 * before its own input, so that it can go to any deployment; the answer is kept before its last byte leaves.
 */
import type { StateScope } from "../ports.ts";
import { clientOf } from "../providers/dialects/clients.ts";
import { continueEdits, continuesOf, historyOf, itemIdsOf, itemIn, keptOf, readKept, responseIn, type Continues, type KeptResponse } from "../providers/dialects/responses/client.ts";
import { gatewayError, type GatewayError } from "../wire/errors.ts";
import { asString, type Json, type JsonObject } from "../wire/json.ts";
import { splice } from "../wire/scan.ts";
import { serveChat, type ChatMore } from "./chat.ts";
import type { Deps } from "./deps.ts";
import type { Exchange } from "./exchange.ts";
import { readBody, refuse, type Inbound, type ReadBody } from "./inbound.ts";

/** A conversation may have so many turns. */
const TURNS_MAX = 2_000;
/** What a conversation so far may hold, as much as a body may. */
const HISTORY_BYTES_MAX = 32 << 20;

/** Serve one request. `started` is told once, at once or after the look-up: the running exchange, or null if the request was refused. */
export function serveResponses(deps: Deps, inbound: Inbound, started: (exchange: Exchange | null) => void): void {
  const refused = (error: GatewayError): void => {
    refuse(inbound, error, (told) => clientOf("responses").encodeError(told, inbound.requestId));
    started(null);
  };
  const body = readBody(inbound.body);
  if (body.kind === "error") return refused(body.error);
  const { raw } = body;
  if (raw["background"] === true) {
    return refused(gatewayError("unsupported_parameter", "Answers in the background are not made here: leave background out, and take the answer as a stream if it is long.", { param: "background" }));
  }
  const elsewhere = keptElsewhere(deps, raw);
  if (elsewhere !== null && !inbound.snapshot.sharesKept) {
    return refused(gatewayError("files_not_served", `${elsewhere} names what the provider keeps for its account, so that every caller key could read another's. To serve it all the same, say files: shared in the configuration.`, { param: elsewhere }));
  }
  if (deps.state.mode === "off") {
    // Clients are told that nothing can be read again.
    return serveChat(deps, inbound, started, { body, shown: { ...raw, store: false } });
  }
  withEarlier(deps, inbound, body, refused, (next, read, more, itemOf) => serveChat(deps, next, started, { ...more, body: read, ...keeping(deps, inbound, raw, itemOf) }));
}

/** The field by which a body names what is kept at the provider and not here; null: none. */
function keptElsewhere(deps: Deps, raw: JsonObject): string | null {
  if (raw["conversation"] !== undefined && raw["conversation"] !== null) return "conversation";
  const continues = deps.state.mode === "off" ? continuesOf(raw) : undefined;
  return continues === undefined ? null : continues.previous === null ? "input" : "previous_response_id";
}

/**
 * Go on with the body and all that it names of earlier answers in it: at once where it names none or none are kept, else after
 * the look-up. What is not there is refused.
 */
export function withEarlier(deps: Deps, inbound: Inbound, body: ReadBody, refused: (error: GatewayError) => void, then: (next: Inbound, body: ReadBody, more: ChatMore, itemOf: Earlier["itemOf"]) => void): void {
  const continues = deps.state.mode === "off" ? undefined : continuesOf(body.raw);
  if (continues === undefined) return then(inbound, body, {}, noItem);
  earlierOf(deps, inbound, continues)
    .then((earlier) => {
      if ("code" in earlier) return refused(earlier);
      const next = goOn(inbound, body, earlier);
      return "code" in next ? refused(next) : then({ ...inbound, body: next.bytes }, next.body, next.more, earlier.itemOf);
    })
    .catch((problem: unknown) => {
      deps.log.error("request_crashed", { request: inbound.requestId, error: problem instanceof Error ? (problem.stack ?? problem.message) : String(problem) });
      refused(gatewayError("internal_error", "The gateway failed at this request; its log says how."));
    });
}

/** Where responses, and where the ids of items in them, are kept for a caller. */
export function responseScope(inbound: Pick<Inbound, "caller">, kind: "responses" | "response-items"): StateScope {
  return { tenant: inbound.caller.tenant, key: inbound.caller.key, kind };
}

/** The response of this id and all that it continues, oldest first. `renewMs`: each is kept that long from now. null: one of them is not there. */
export async function turnsOf(deps: Deps, inbound: Inbound, id: string, renewMs?: number): Promise<readonly KeptResponse[] | null> {
  const scope = responseScope(inbound, "responses");
  const turns: KeptResponse[] = [];
  for (let next: string | null = id; next !== null; ) {
    const turn: KeptResponse | undefined = readKept(await deps.state.get(scope, next, renewMs));
    if (turn === undefined || turns.length === TURNS_MAX) return null;
    turns.push(turn);
    next = turn.previous;
  }
  return turns.toReversed();
}

interface Earlier {
  readonly turns: readonly KeptResponse[];
  readonly itemOf: (id: string) => JsonObject | undefined;
  /** The one account whose provider knows all of it; null: there is none. */
  readonly account: string | null;
}

/** All that a body refers to, or the error that names what is not there. */
async function earlierOf(deps: Deps, inbound: Inbound, { previous, items }: Continues): Promise<Earlier | GatewayError> {
  const turns = previous === null ? [] : await turnsOf(deps, inbound, previous, inbound.snapshot.responsesTtlMs);
  if (turns === null) {
    return gatewayError("previous_response_not_found", `Previous response with id '${clip(previous)}' not found. It may have expired, or one that it continues may have been deleted.`, { param: "previous_response_id" });
  }
  const keepers = new Set<string | null>();
  const last = turns.at(-1);
  if (last !== undefined) keepers.add(last.keptBy);
  const found = new Map<string, JsonObject>();
  const known = new Map(turns.map((turn) => [asString(turn.response["id"]), turn]));
  for (const id of items) {
    const responseId = asString((await deps.state.get(responseScope(inbound, "response-items"), id, inbound.snapshot.responsesTtlMs)) ?? null);
    const turn = responseId === undefined ? undefined : (known.get(responseId) ?? readKept(await deps.state.get(responseScope(inbound, "responses"), responseId, inbound.snapshot.responsesTtlMs)));
    const item = turn === undefined ? undefined : itemIn(turn, id);
    if (turn === undefined || item === undefined) return gatewayError("item_not_found", `Item with id '${clip(id)}' not found. It may have expired.`, { param: "input" });
    known.set(responseId, turn);
    keepers.add(turn.keptBy);
    found.set(id, item);
  }
  const [account = null] = keepers;
  return { turns, itemOf: (id) => found.get(id), account: keepers.size === 1 ? account : null };
}

/** The body with all that it refers to in it. */
function goOn(inbound: Inbound, body: ReadBody, { turns, itemOf, account }: Earlier): { readonly bytes: Uint8Array; readonly body: ReadBody; readonly more: ChatMore } | GatewayError {
  const { edits, reasoningLeftOut } = continueEdits(body.raw, body.scan, historyOf(turns), itemOf);
  const bytes = splice(inbound.body, edits);
  if (bytes.length > HISTORY_BYTES_MAX) return gatewayError("body_too_large", `With the conversation so far the body has ${bytes.length} bytes; at most ${HISTORY_BYTES_MAX} are taken.`);
  const whole = readBody(bytes);
  if (whole.kind === "error") return whole.error;
  const previous: Json = body.raw["previous_response_id"] ?? null;
  return {
    bytes,
    body: whole,
    more: {
      shown: { ...whole.raw, previous_response_id: previous },
      warnings: reasoningLeftOut ? ["reasoning of earlier turns that only its maker can read was left out"] : [],
      ...(account === null ? {} : { asSent: { account, bytes: inbound.body, body } }),
    },
  };
}

/** How an answer is kept, unless the client wants it not to be. */
function keeping(deps: Deps, inbound: Inbound, raw: JsonObject, itemOf: Earlier["itemOf"]): Pick<ChatMore, "keep"> {
  if (raw["store"] === false) return {};
  const { responsesTtlMs } = inbound.snapshot;
  const keep = async (last: Uint8Array, madeBy: string | null): Promise<void> => {
    const response = responseIn(last, raw["stream"] === true);
    if (response === undefined) return;
    const kept = keptOf(raw, response, itemOf, madeBy);
    const id = asString(response["id"]) as string;
    const done = await deps.state.put(responseScope(inbound, "responses"), id, { ...kept }, responsesTtlMs);
    if (!done) return deps.log.warn("response_not_kept", { request: inbound.requestId, response: id });
    for (const item of itemIdsOf(kept)) await deps.state.put(responseScope(inbound, "response-items"), item, id, responsesTtlMs);
  };
  return { keep };
}

function noItem(): undefined {
  return undefined;
}

function clip(id: string | null): string {
  return (id ?? "").slice(0, 100);
}
