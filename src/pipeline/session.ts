/** Which requests belong together. */
import { sessionOf } from "../decide/balance/strategies.ts";
import type { Route } from "../decide/deployment.ts";
import type { ChatRequest } from "../wire/chat.ts";
import type { JsonObject } from "../wire/json.ts";
import type { Inbound } from "./inbound.ts";

/** What a request of a route that keeps its sessions together belongs to; null: nothing, or the route does not. */
export function sessionIn({ caller }: Pick<Inbound, "caller">, { strategy }: Route, body: JsonObject, { user }: ChatRequest): string | null {
  return strategy === "sticky" ? sessionOf(caller.key, { promptCacheKey: promptCacheKey(body), user: user ?? null }) : null;
}

function promptCacheKey(body: JsonObject): string | null {
  const key = body["prompt_cache_key"];
  return typeof key === "string" ? key : null;
}
