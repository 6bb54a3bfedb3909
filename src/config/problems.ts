/** What a configuration names and nobody serves, told as every other error of the file is. */
import type { DirectoryProblem } from "../decide/directory.ts";
import { showPath } from "./document.ts";
import type { ConfigError } from "./load.ts";
import type { LoadedConfig } from "./source.ts";

/** Names that lead nowhere, as errors with their place in the file. */
export function problemErrors(problems: readonly DirectoryProblem[], loaded: Extract<LoadedConfig, { ok: true }>): ConfigError[] {
  return problems.map(({ path, code, name, message }) => {
    const { line, column } = loaded.locate(path, "value");
    return { file: loaded.config.source, line, column, key: showPath(path), expected: "the name of a model that can be called", found: `${JSON.stringify(name)} (${code})`, hint: message };
  });
}
