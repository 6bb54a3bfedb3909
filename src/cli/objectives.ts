/** `spillway objectives`: what the running gateway promises, how it is kept, and how fast error budgets go. */
import { askOwner, ownerFlags } from "./ask-owner.ts";
import { EXIT, table, type CommandContext } from "./context.ts";
import { percentText, promiseText, windowText, type Promised } from "./promise-text.ts";

export const OBJECTIVES_HELP = `spillway objectives [--json] [--data-dir <folder>]
                                  what is promised, what was kept, what is left of each error budget and how fast it goes
`;

export interface ObjectiveRow {
  readonly owner: string;
  readonly objective: string;
  readonly kind: Promised["kind"];
  readonly target: number;
  readonly window: { readonly hours?: number; readonly month?: boolean; readonly zone?: string };
  readonly within: readonly { readonly up_to_input_tokens: number | null; readonly within_ms: number }[];
  readonly at_least: number | null;
  readonly unit: Promised["unit"];
  readonly valid: number;
  readonly attained: number;
  readonly budget_left: number;
  readonly burn: Readonly<Record<string, number>>;
  readonly alerts: readonly { readonly rule: string; readonly state: string }[];
  readonly in_force: readonly string[];
}

/** Asks the gateway that owns the data folder. Resolves with the exit code. */
export async function runObjectives(args: readonly string[], context: CommandContext): Promise<number> {
  const flags = ownerFlags(args, OBJECTIVES_HELP, context);
  if (typeof flags === "number") return flags;
  const reply = (await askOwner(flags.dataDir, "objectives")) as string | { readonly data?: readonly ObjectiveRow[] };
  if (typeof reply === "string") {
    context.errors.write(`spillway: ${reply}\n`);
    return EXIT.wrong;
  }
  const rows = reply.data ?? [];
  if (flags.json) for (const row of rows) context.out.write(`${JSON.stringify(row)}\n`);
  else if (rows.length === 0) context.out.write("Nothing is promised: add objectives to a route.\n");
  else context.out.write(objectivesText(rows));
  return EXIT.ok;
}

/** One line for each, with what its owner wrote of it. */
export function objectivesText(rows: readonly ObjectiveRow[]): string {
  return table([["of", "objective", "promised", "over", "kept", "of", "budget left", "burn 5m", "1h", "6h", "3d", "alerts", "in force"], ...rows.map(cellsOf)], "");
}

function cellsOf(row: ObjectiveRow): readonly string[] {
  const { owner, objective, kind, valid, attained, budget_left: left, burn, alerts, in_force: acts } = row;
  const firing = alerts.filter(({ state }) => state !== "quiet").map(({ rule, state }) => (state === "firing" ? rule : `${rule} (low traffic)`));
  // Cut off and never rounded up: what was missed by little was missed.
  const kept = valid === 0 ? "" : kind === "error_rate" ? `${percentText(1 - attained)} failed` : `${Math.floor(attained * 1e5 + 1e-6) / 1e3}%`;
  const counted = `${valid} ${kind === "throughput" ? "minute" : owner.startsWith("contract/") ? "call" : "request"}${valid === 1 ? "" : "s"}`;
  return [owner, objective, promised(row), windowText(row.window.hours ?? null, row.window.zone ?? "UTC"), kept, counted, percentText(left), ...["5m", "1h", "6h", "3d"].map((span) => (burn[span] ?? 0).toFixed(1)), firing.join(", "), acts.join(", ")];
}

function promised({ kind, target, within, at_least: atLeast, unit }: ObjectiveRow): string {
  return promiseText({ kind, target, atLeast, unit, within: within.map((one) => ({ upToInputTokens: one.up_to_input_tokens, withinMs: one.within_ms })) });
}
