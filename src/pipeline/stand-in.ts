/** What a client is told where a model answers in place of its route's own. */
import type { Candidate } from "../decide/choose.ts";
import { modelName, standsInFor } from "../decide/stand-in.ts";
import type { ExchangeSettings } from "./surface.ts";

/** The warnings of a call, and that its model stands in for another. Who is not told what serves it is not told the names. */
export function withStandIn({ route, caller }: Pick<ExchangeSettings, "route" | "caller">, { deployment }: Candidate, warnings: readonly string[]): readonly string[] {
  const own = standsInFor(route, deployment);
  if (own === null) return warnings;
  const named = caller.policy?.expose === "none" ? "another model than the route's own" : `${modelName(deployment)}, which stands in for ${own}`;
  return [...warnings, `answered by ${named}`];
}
