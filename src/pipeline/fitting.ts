/** Fits a request to one deployment: what it lacks is made up for, and what it refuses is left out where the route allows. */
import type { Deployment } from "../decide/deployment.ts";
import { capabilitiesOf } from "../providers/capabilities.ts";
import type { CapabilityTable } from "../wire/capability.ts";

const tables = new WeakMap<Deployment, CapabilityTable>();

/** What a deployment can do; made once for each. */
export function tableOf(deployment: Deployment): CapabilityTable {
  let table = tables.get(deployment);
  if (table === undefined) tables.set(deployment, (table = capabilitiesOf(deployment)));
  return table;
}
