/** Whether anything can ever carry a scope: a limit on a route or a model that does not exist would bind nothing, in silence. */
import type { Config } from "../config/types.ts";
import { buildSnapshot, type Snapshot } from "../config/snapshot.ts";
import { loadCatalogue } from "../providers/catalog/index.ts";
import { PROVIDERS } from "../providers/registry.ts";

type Names = Pick<Snapshot, "config" | "directory" | "deployments">;

/** One for each configuration: they are asked when objects change, never by requests. */
const BUILT = new WeakMap<Config, Names>();

/** What the names of a configuration stand for. */
export function namesOf(config: Config): Names {
  const built = BUILT.get(config) ?? buildSnapshot(config, loadCatalogue(), PROVIDERS);
  BUILT.set(config, built);
  return built;
}

/** Can a request be for this route? Every model is a route of its own. What is known and not yet set up counts as there. */
export function hasRoute({ directory }: Names, name: string): boolean {
  const found = directory.resolve(name);
  return found.kind === "route" || found.code !== "unknown_model";
}

/** Can a call be one to this model? Some accounts pass on any name. */
export function hasModel(names: Names, name: string): boolean {
  const { config, directory, deployments } = names;
  if (hasRoute(names, name) || config.accounts.some((account) => (directory.at?.(account.name, name) ?? null) !== null)) return true;
  return [...deployments.values()].some(({ model, upstreamModel }) => (model?.canonical ?? upstreamModel) === name);
}

/** A scope of the configuration's own limits that nothing here can carry, as a sentence; null: something can. */
export function nothingCarries(names: Names, scope: string): string | null {
  const slash = scope.indexOf("/");
  const name = scope.slice(slash + 1);
  const { config } = names;
  switch (scope.slice(0, slash)) {
    case "route":
      return hasRoute(names, name) ? null : `no route or model ${name}`;
    case "model":
      return hasModel(names, name) ? null : `no model ${name}`;
    case "provider":
      return config.accounts.some((account) => account.name === name) ? null : `no provider ${name}`;
    case "key":
      return config.keys.some((key) => key.name === name) ? null : `no key ${name} in this file; a managed one may have that name`;
    default:
      // Teams, projects and members are managed, all of them.
      return null;
  }
}
