/** The configuration where nothing is configured: simulated providers under every name, and every answer says so. */
import { parseConfig } from "../config/load.ts";
import { showError } from "../config/report.ts";
import type { LoadedConfig } from "../config/source.ts";
import { gatewayConfig, simulatedFleet, type FleetAddresses } from "../fleet/index.ts";
import type { CommandContext } from "./context.ts";

type Loaded = Extract<LoadedConfig, { ok: true }>;

export const SIMULATED_NOTE = "No provider key and no configuration was found, so simulated providers answer, and every answer says so.";

/** Where a fleet would be that nobody starts. */
const NOWHERE: FleetAddresses = { provider: () => ({ baseUrl: "http://127.0.0.1:1" }) };

/** The loaded configuration as a gateway would serve it: itself, or the simulated one in its place. Starts nothing. */
export function withSimulated(found: LoadedConfig, context: Pick<CommandContext, "providers">): LoadedConfig {
  return found.ok && found.config.simulated ? simulatedConfig(found, NOWHERE, context) : found;
}

/** The simulated providers at their addresses, with a route for each of their models. */
export function simulatedConfig(found: Loaded, fleet: FleetAddresses, { providers }: Pick<CommandContext, "providers">): Loaded {
  const text = gatewayConfig(simulatedFleet(), fleet, { more: simulatedRoutes() });
  const parsed = parseConfig(text, { source: "simulated", env: {}, providers, readFile: () => "" });
  if (!parsed.ok) throw new Error(`the simulated providers' configuration is wrong: ${parsed.errors.map(showError).join("; ")}`);
  return { ...found, locate: parsed.locate, config: { ...parsed.config, keys: found.config.keys, simulated: true } };
}

/** A route per simulated model over all providers, and every other name as well: any program gets an answer. */
function simulatedRoutes(): Record<string, unknown> {
  const { providers } = simulatedFleet();
  const names = [...new Set(providers.flatMap((provider) => Object.keys(provider.models)))].filter((name) => name !== "*");
  const candidates = (name: string): string[] => providers.filter((provider) => Object.hasOwn(provider.models, name)).map((provider) => `${provider.name}/${name}`);
  const routes = Object.fromEntries(names.map((name) => [name, { candidates: candidates(name) }]));
  // Exact aliases stand above the pattern, so that one provider can still be asked by name.
  const exact = Object.fromEntries(names.flatMap(candidates).map((id) => [id, id]));
  return { routes, aliases: { ...exact, "*": names[0] ?? "" } };
}
