/** Where the configuration comes from: `--config`, else `SPILLWAY_CONFIG`, else `./spillway.yaml`, else the environment. */
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { ProviderFacts } from "../wire/facts.ts";
import { configFromEnvironment } from "./discover.ts";
import { parseConfig, type ParsedConfig } from "./load.ts";

export const CONFIG_VARIABLE = "SPILLWAY_CONFIG";
export const DEFAULT_FILE = "spillway.yaml";

export interface SourceOptions {
  /** `--config`; null where not given. */
  readonly configFile: string | null;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly providers: ReadonlyMap<string, ProviderFacts>;
}
/** The parsed configuration; `path` and `text` are null unless it is a file, which can be watched. */
export type LoadedConfig = ParsedConfig & { readonly path: string | null; readonly text: string | null };

const UNREADABLE: Readonly<Record<string, string>> = { ENOENT: "no such file", EACCES: "a file that this user may not read", EISDIR: "a folder", ENOTDIR: "no such folder" };

/** Find, read and parse the configuration. A file that cannot be read is an error like any other. */
export function loadConfig(options: SourceOptions): LoadedConfig {
  const { env, providers } = options;
  const parse = (text: string, source: string): ParsedConfig => parseConfig(text, { source, env, providers, readFile: (path) => readFileSync(path, "utf8") });
  const inline = env[CONFIG_VARIABLE] ?? "";
  if (options.configFile === null && inline.trim() !== "") return { ...parse(inline, CONFIG_VARIABLE), path: null, text: null };
  const file = options.configFile ?? (existsSync(resolve(options.cwd, DEFAULT_FILE)) ? DEFAULT_FILE : null);
  if (file === null) {
    const config = configFromEnvironment(env, providers);
    return { ok: true, config, warnings: [], refusals: [], locate: () => ({ line: 1, column: 1 }), path: null, text: null };
  }
  const path = resolve(options.cwd, file);
  try {
    const text = readFileSync(path, "utf8");
    return { ...parse(text, file), path, text };
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "an error while reading";
    const found = UNREADABLE[code] === undefined ? code : `${UNREADABLE[code]} (${code})`;
    return { ok: false, errors: [{ file, line: 1, column: 1, key: "", expected: "a readable file", found, hint: `looked for at ${path}` }], partial: null, path, text: null };
  }
}
