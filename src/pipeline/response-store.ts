/** Where responses are kept for the key that made them: under their ids, and under the ids of what they put out. */
import type { StateScope } from "../ports.ts";
import { itemIdsOf, readKept, type KeptResponse } from "../providers/dialects/responses/client.ts";
import { asString } from "../wire/json.ts";
import type { Deps } from "./deps.ts";
import type { Inbound } from "./inbound.ts";

/** A conversation may have so many turns. */
const TURNS_MAX = 2_000;
/** What a conversation so far may hold in memory: twice what a body may, since not all of it goes into one. */
const TURNS_CHARS_MAX = 64 << 20;

/** Where responses, and where the ids of items in them, are kept for a caller. */
export function responseScope(inbound: Pick<Inbound, "caller">, kind: "responses" | "response-items"): StateScope {
  return { tenant: inbound.caller.tenant, key: inbound.caller.key, kind };
}

/** Keep a response for its caller. Resolves to whether it was kept; never rejects. */
export async function keepResponse(deps: Deps, inbound: Pick<Inbound, "caller" | "snapshot">, kept: KeptResponse): Promise<boolean> {
  const { responsesTtlMs } = inbound.snapshot;
  const id = asString(kept.response["id"]) ?? "";
  const done = await deps.state.put(responseScope(inbound, "responses"), id, { ...kept }, responsesTtlMs);
  if (!done) return false;
  for (const item of itemIdsOf(kept)) await deps.state.put(responseScope(inbound, "response-items"), item, id, responsesTtlMs);
  return true;
}

/** One response. `renewMs`: it is kept that long from now. */
export async function keptResponse(deps: Deps, inbound: Pick<Inbound, "caller">, id: string, renewMs?: number): Promise<KeptResponse | undefined> {
  return readKept(await deps.state.get(responseScope(inbound, "responses"), id, renewMs));
}

/** The response of this id and all that it continues, oldest first. null: one of them is not there, or together they are too much. */
export async function turnsOf(deps: Deps, inbound: Pick<Inbound, "caller">, id: string, renewMs?: number): Promise<readonly KeptResponse[] | null> {
  const turns: KeptResponse[] = [];
  let chars = 0;
  for (let next: string | null = id; next !== null; ) {
    const turn = await keptResponse(deps, inbound, next, renewMs);
    if (turn === undefined || turns.length === TURNS_MAX) return null;
    chars += JSON.stringify([turn.input, turn.response["output"] ?? null]).length;
    if (chars > TURNS_CHARS_MAX) return null;
    turns.push(turn);
    next = turn.previous;
  }
  return turns.toReversed();
}
