/** The currency in which listings show money: that of the configuration at hand, else dollars. */
import { loadConfig } from "../config/source.ts";
import type { Display } from "../decide/currency.ts";
import type { CommandContext } from "./context.ts";

/** null: dollars. A configuration that cannot be read is no reason not to list. */
export function displayAtHand(context: Pick<CommandContext, "env" | "cwd" | "providers">): Display | null {
  const loaded = loadConfig({ configFile: null, env: context.env, cwd: context.cwd, providers: context.providers });
  return loaded.ok ? loaded.config.display : null;
}
