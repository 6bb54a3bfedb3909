/** Models that answer in place of a route's own. */
import { ordinary, type Deployment, type Route } from "./deployment.ts";

/**
 * The model that this deployment's stands in for; null: it is the route's own. A route in its owner's order is a route to its first
 * candidate's model; one that is drawn, sorted or weighed means all of its ordinary candidates alike. Of what a request names further
 * (`of`) nothing is said: who asked knows.
 */
export function standsInFor(route: Route, deployment: Deployment): string | null {
  const { candidates, strategy, automatic } = route;
  // What is on trial is no fallback: its owner sends it requests to learn of it.
  const first = candidates.find((one) => one.trial !== true)?.deployment;
  if (first === undefined || first === deployment || automatic) return null;
  const found = candidates.find((one) => one.deployment === deployment);
  if (found === undefined || found.of !== undefined || found.trial === true) return null;
  const own = strategy === "priority" ? [first] : ordinary(candidates).map((one) => one.deployment);
  return own.some((one) => isSameModel(one, deployment)) ? null : modelName(first);
}

/** As people write it. */
export function modelName({ model, upstreamModel }: Deployment): string {
  return model?.canonical ?? upstreamModel;
}

/** Where the catalogue knows one of them alone, or neither, by the name without the maker before it. */
function isSameModel(one: Deployment, other: Deployment): boolean {
  if (one.model !== null && other.model !== null) return one.model.canonical === other.model.canonical;
  const [a, b] = [namesOf(one), namesOf(other)];
  return a.some((name) => b.includes(name));
}

function namesOf({ model, upstreamModel }: Deployment): readonly string[] {
  return [upstreamModel, ...(model === null ? [] : [model.canonical, model.upstream, ...model.aliases])].map((name) => name.slice(name.lastIndexOf("/") + 1).toLowerCase());
}
