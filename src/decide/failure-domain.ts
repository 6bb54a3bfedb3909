/** What is likely to fail together: deployments of one account, behind one edge, in one region of a cloud, in one cloud. */
import type { FailureClass } from "../wire/outcome.ts";
import type { Deployment } from "./deployment.ts";

export type DomainKind = "account" | "edge" | "region" | "cloud";

/** What two deployments have in common, the narrowest first; null: nothing that is known. A region counts within its cloud only: the same word means other machines elsewhere. */
export function sharedDomain(one: Deployment, other: Deployment): DomainKind | null {
  if (one.account === other.account) return "account";
  if (one.domain.edge !== undefined && one.domain.edge === other.domain.edge) return "edge";
  if (one.domain.cloud === undefined || one.domain.cloud !== other.domain.cloud) return null;
  return one.region !== null && one.region.toLowerCase() === other.region?.toLowerCase() ? "region" : "cloud";
}

/** Refusals that are about one account, wherever it is served. */
const OF_THE_ACCOUNT: ReadonlySet<FailureClass> = new Set(["rate", "auth", "payment"]);

/** How likely `other` fails as `failed` did, in ranks from 0. `failure`: of what class that was; null: it was late, or gave way. */
export function nearness(failed: Deployment, failure: FailureClass | null, other: Deployment): number {
  const shared = sharedDomain(failed, other);
  if (shared === "account") return 3;
  if (shared === null || (failure !== null && OF_THE_ACCOUNT.has(failure))) return 0;
  // Another region of a cloud often stands when one falls; a region that nobody states may be the same.
  return shared === "cloud" && failed.region !== null && other.region !== null ? 1 : 2;
}
