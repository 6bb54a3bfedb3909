/** What a configuration names and nobody serves, told as every other error of the file is. */
import type { DirectoryProblem } from "../decide/directory.ts";
import type { CatalogueLookups } from "../decide/supply.ts";
import type { ProviderFacts } from "../wire/facts.ts";
import { showPath, type Finding } from "./document.ts";
import type { ConfigError, PartialConfig } from "./load.ts";
import { buildSnapshot } from "./snapshot.ts";
import type { LoadedConfig } from "./source.ts";

/** Names that lead nowhere, as errors with their place in the file. */
export function problemErrors(problems: readonly DirectoryProblem[], { config, locate }: Pick<Extract<LoadedConfig, { ok: true }>, "config" | "locate">): ConfigError[] {
  return problems.map((problem) => {
    const { path, expected, found, hint } = findingOf(problem);
    return { file: config.source, ...locate(path, "value"), key: showPath(path), expected, found, hint };
  });
}

function findingOf({ path, code, name, message }: DirectoryProblem): Finding {
  return { path, expected: "the name of a model that can be called", found: `${JSON.stringify(name)} (${code})`, hint: message };
}

/**
 * Everything wrong with a refused configuration: what is wrong in itself, and the names that lead nowhere as far as that can
 * be told. What only follows from another error is left out.
 */
export function allErrors(refused: Extract<LoadedConfig, { ok: false }>, catalogue: CatalogueLookups, providers: ReadonlyMap<string, ProviderFacts>): readonly ConfigError[] {
  const { errors } = refused;
  const partial = refused.partial?.() ?? null;
  if (partial === null) return errors;
  const doubted = new Set(errors.map((error) => error.key));
  const { findings } = buildSnapshot(partial.config, catalogue, providers);
  const certain = findings.filter((problem) => !follows(problem, partial, doubted));
  return inOrder([...errors, ...partial.refusals, ...partial.report(certain.map(findingOf))]);
}

/** May this problem be gone when the other errors are? */
function follows({ path, code, name }: DirectoryProblem, { config, sound, allSound }: PartialConfig, doubted: ReadonlySet<string>): boolean {
  if (code === "price_unknown" && doubted.has("unpriced")) return true;
  if (sound.has(name.slice(0, Math.max(0, name.indexOf("/"))))) return false;
  // A candidate is its account's alone; an alias may stand for a model of any account, or for a route.
  return path[0] !== "aliases" || !allSound || config.routes.some((route) => route.name === name);
}

/** In the order of the file. */
export function inOrder(errors: readonly ConfigError[]): readonly ConfigError[] {
  return errors.toSorted((a, b) => a.line - b.line || a.column - b.column);
}
