/** Objects that the configuration at hand makes, for listings of commands. Where it cannot be read they are left out. */
import { configuredObjects } from "../compose/configured.ts";
import { loadConfig } from "../config/source.ts";
import type { JsonObject } from "../wire/json.ts";
import type { CommandContext } from "./context.ts";

/** As the admin API lists them. */
export function configuredInFolder(kind: string, configFile: string | null, context: CommandContext): readonly JsonObject[] {
  const loaded = loadConfig({ configFile, env: context.env, cwd: context.cwd, providers: context.providers });
  if (!loaded.ok || loaded.config.simulated) return [];
  return configuredObjects(kind, loaded.config).map(({ id, fields }) => ({ id, object: kind, organisation: "default", source: "config", ...fields }));
}
