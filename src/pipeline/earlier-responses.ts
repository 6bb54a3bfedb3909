/** What a Responses body names of earlier answers, looked up and put before its own input, so that it can go to any deployment. */
import { continueEdits, continuesOf, historyOf, isAnswered, isRunning, itemIn, type Continues, type KeptResponse } from "../providers/dialects/responses/client.ts";
import { gatewayError, type GatewayError } from "../wire/errors.ts";
import { asString, type Json, type JsonObject } from "../wire/json.ts";
import { splice } from "../wire/scan.ts";
import type { ChatMore } from "./chat.ts";
import type { Deps } from "./deps.ts";
import { readBody, type Inbound, type ReadBody } from "./inbound.ts";
import { keptResponse, responseScope, turnsOf } from "./response-store.ts";

/** What a conversation so far may hold, as much as a body may. */
const HISTORY_BYTES_MAX = 32 << 20;
/** How many items a body may name, and how many responses these may be of: each is a look-up. */
const REFERENCES_MAX = 2_000;
const REFERRED_RESPONSES_MAX = 200;

/** Finds an item that the body refers to. */
export type ItemOf = (id: string) => JsonObject | undefined;

/**
 * Go on with the body and all that it names of earlier answers in it: at once where it names none or none are kept, else after
 * the look-up. What is not there is refused.
 */
export function withEarlier(deps: Deps, inbound: Inbound, body: ReadBody, refused: (error: GatewayError) => void, then: (next: Inbound, body: ReadBody, more: ChatMore, itemOf: ItemOf) => void): void {
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

interface Earlier {
  readonly turns: readonly KeptResponse[];
  readonly itemOf: ItemOf;
  /** The one account whose provider knows all of it; null: there is none. */
  readonly account: string | null;
}

/** All that a body refers to, or the error that names what is not there. */
async function earlierOf(deps: Deps, inbound: Inbound, { previous, items }: Continues): Promise<Earlier | GatewayError> {
  if (items.length > REFERENCES_MAX) return gatewayError("too_many_values", `input refers to ${items.length} items by their ids; at most ${REFERENCES_MAX} are looked up.`, { param: "input" });
  const turns = previous === null ? [] : await turnsOf(deps, inbound, previous, inbound.snapshot.responsesTtlMs);
  if (turns === null) {
    return gatewayError("previous_response_not_found", `Previous response with id '${clip(previous)}' not found. It may have expired, or one that it continues may have been deleted.`, { param: "previous_response_id" });
  }
  const last = turns.at(-1);
  if (last !== undefined && !isAnswered(last.response)) {
    const why = isRunning(last.response) ? "is still being made: wait until it is completed" : `has no answer: it ${last.response["status"] === "failed" ? "failed" : "was cancelled"}`;
    return gatewayError("previous_response_not_found", `Previous response with id '${clip(previous)}' cannot be gone on from. It ${why}.`, { param: "previous_response_id" });
  }
  const keepers = new Set<string | null>();
  if (last !== undefined) keepers.add(last.keptBy);
  const referred = await referredItems(deps, inbound, items, turns);
  if ("code" in referred) return referred;
  for (const { keptBy } of referred.turns) keepers.add(keptBy);
  const [account = null] = keepers;
  return { turns, itemOf: (id) => referred.found.get(id), account: keepers.size === 1 ? account : null };
}

interface Referred {
  readonly found: ReadonlyMap<string, JsonObject>;
  /** The responses that they are of. */
  readonly turns: ReadonlySet<KeptResponse>;
}

/** The items of these ids. Each response that holds some of them is read once, and what they come to together is bounded. */
async function referredItems(deps: Deps, inbound: Inbound, items: readonly string[], turns: readonly KeptResponse[]): Promise<Referred | GatewayError> {
  const { responsesTtlMs } = inbound.snapshot;
  const known = new Map(turns.map((turn) => [asString(turn.response["id"]), turn]));
  const found = new Map<string, JsonObject>();
  const sizes = new Map<string, number>();
  const holders = new Set<KeptResponse>();
  let chars = 0;
  let read = 0;
  for (const id of items) {
    if (!found.has(id)) {
      const responseId = asString((await deps.state.get(responseScope(inbound, "response-items"), id, responsesTtlMs)) ?? null);
      let turn = responseId === undefined ? undefined : known.get(responseId);
      if (turn === undefined && responseId !== undefined) {
        if (++read > REFERRED_RESPONSES_MAX) return gatewayError("too_many_values", `input refers to items of more than ${REFERRED_RESPONSES_MAX} responses; go on from the last one by previous_response_id instead.`, { param: "input" });
        turn = await keptResponse(deps, inbound, responseId, responsesTtlMs);
      }
      const item = turn === undefined ? undefined : itemIn(turn, id);
      if (turn === undefined || item === undefined) return gatewayError("item_not_found", `Item with id '${clip(id)}' not found. It may have expired.`, { param: "input" });
      known.set(responseId, turn);
      holders.add(turn);
      found.set(id, item);
      sizes.set(id, JSON.stringify(item).length);
    }
    // Told as often as it is named.
    chars += sizes.get(id) ?? 0;
    if (chars > HISTORY_BYTES_MAX) return gatewayError("body_too_large", `The items that input refers to have more than ${HISTORY_BYTES_MAX} bytes together.`, { param: "input" });
  }
  return { found, turns: holders };
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

function noItem(): undefined {
  return undefined;
}

function clip(id: string | null): string {
  return (id ?? "").slice(0, 100);
}
