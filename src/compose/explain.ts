/** Weighing a request without sending it, for the admin API and for a command on the same machine. */
import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { ExplainSettings } from "../admin/explain.ts";
import type { Deps, Snapshot } from "../pipeline/deps.ts";
import { dryRun, surfaceOf } from "../pipeline/dry-run.ts";
import type { Caller } from "../ports.ts";
import { isObject } from "../wire/json.ts";

/** Weighs a request for a caller; null: the surface is told by the body's fields. */
export type Weighing = NonNullable<ExplainSettings["dryRun"]>;

/** Whoever may open the socket in the data folder. */
const OPERATOR: Caller = { tenant: "default", key: "dry-run", scopes: ["tenant/default", "key/dry-run"] };

/** Weighs by the running configuration as each caller sees it. */
export function weighing(deps: () => Deps, snapshotOf: (caller: Caller) => Snapshot): Weighing {
  return (caller, request, surface) => dryRun(deps(), { surface: surface ?? surfaceOf(request), caller, body: new TextEncoder().encode(JSON.stringify(request)), headers: {}, snapshot: snapshotOf(caller) });
}

/** Weighs the request that stands in a file of the data folder, by its name: a socket's line is too short for it. */
export async function dryRunByFile(weigh: Weighing, folder: string, name: string): Promise<unknown> {
  if (basename(name) !== name || !name.startsWith("explain-")) return { error: "not the name of a request in the data folder" };
  let request: unknown;
  try {
    request = JSON.parse(readFileSync(join(folder, name), "utf8"));
  } catch (error) {
    return { error: `${name} cannot be read: ${(error as Error).message}` };
  }
  return isObject(request) ? await weigh(OPERATOR, request, null) : { error: "a request is a JSON object" };
}
