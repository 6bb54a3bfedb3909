/** Which part of the pipeline serves a call. */
import { serveChat } from "../pipeline/chat.ts";
import { serveCount } from "../pipeline/counting.ts";
import type { Deps } from "../pipeline/deps.ts";
import { serveEmbeddings } from "../pipeline/embeddings.ts";
import type { Exchange } from "../pipeline/exchange.ts";
import { serveFeedback } from "../pipeline/feedback.ts";
import type { Inbound } from "../pipeline/inbound.ts";
import { serveKept } from "../pipeline/kept-responses.ts";
import { serveOwned } from "../pipeline/owned.ts";
import { servePass } from "../pipeline/pass-endpoint.ts";
import { serveCompact, serveResponses } from "../pipeline/responses.ts";
import { isCountName, isKeptName, isOwnedName, isPassName } from "../wire/surfaces.ts";

/** Serves it. `started`: with the exchange that runs, or null where it was answered at once. */
export function serveCall(deps: Deps, call: Inbound, started: (exchange: Exchange | null) => void): void {
  const { surface } = call.asked;
  if (surface === "chat") serveChat(deps, call, started);
  else if (surface === "responses") serveResponses(deps, call, started);
  else if (isCountName(surface)) serveCount(deps, call, surface, started);
  else if (isKeptName(surface)) serveKept(deps, call);
  else if (surface === "feedback") serveFeedback(deps, call);
  else if (surface === "responses-compact") serveCompact(deps, call, started);
  else if (isPassName(surface)) started(servePass(deps, call, surface));
  else if (isOwnedName(surface)) started(serveOwned(deps, call, surface));
  else if (surface === "embeddings") started(serveEmbeddings(deps, call));
  else serveChat(deps, call, started);
}
