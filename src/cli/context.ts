/** What commands about the configuration are given, so that tests can give their own. */
import type { CatalogueLookups } from "../decide/supply.ts";
import type { ProviderFacts } from "../wire/facts.ts";
import { plainText } from "../wire/plain-text.ts";

/** Where lines go; `process.stdout` fits. */
export interface LineOutput {
  write(text: string): unknown;
}
export interface CommandContext {
  readonly out: LineOutput;
  readonly errors: LineOutput;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly providers: ReadonlyMap<string, ProviderFacts>;
  readonly catalogue: CatalogueLookups;
}

/** Exit codes: done, something is wrong with what was looked at, the command itself was wrong. */
export const EXIT = { ok: 0, wrong: 1, usage: 2 } as const;

/** Lines as an aligned table with two spaces between columns. */
export function table(rows: readonly (readonly string[])[], indent = "  "): string {
  const widths: number[] = [];
  const shown = rows.map((row) => row.map(plainText));
  for (const row of shown) for (const [index, cell] of row.entries()) widths[index] = Math.max(widths[index] ?? 0, cell.length);
  return shown.map((row) => `${indent}${row.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join("  ").trimEnd()}\n`).join("");
}

/** ms as `600 s` or `250 ms`. */
export function showMs(valueMs: number): string {
  return valueMs % 100 === 0 && Math.abs(valueMs) >= 1_000 ? `${valueMs / 1_000} s` : `${valueMs} ms`;
}
