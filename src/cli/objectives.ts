/** `spillway objectives`: what the running gateway promises, how it is kept, and how fast error budgets go. */
import { askOwner, ownerFlags } from "./ask-owner.ts";
import { EXIT, table, type CommandContext } from "./context.ts";

export const OBJECTIVES_HELP = `spillway objectives [--json] [--data-dir <folder>]
                                  what is promised, what was kept, what is left of each error budget and how fast it goes
`;

interface Row {
  readonly owner: string;
  readonly objective: string;
  readonly target: number;
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
  const reply = (await askOwner(flags.dataDir, "objectives")) as string | { readonly data?: readonly Row[] };
  if (typeof reply === "string") {
    context.errors.write(`spillway: ${reply}\n`);
    return EXIT.wrong;
  }
  const rows = reply.data ?? [];
  if (flags.json) for (const row of rows) context.out.write(`${JSON.stringify(row)}\n`);
  else if (rows.length === 0) context.out.write("Nothing is promised: add objectives to a route.\n");
  else context.out.write(table([["of", "objective", "promised", "kept", "of requests", "budget left", "burn 5m", "1h", "6h", "3d", "alerts", "in force"], ...rows.map(cellsOf)], ""));
  return EXIT.ok;
}

function cellsOf({ owner, objective, target, valid, attained, budget_left: left, burn, alerts, in_force: acts }: Row): readonly string[] {
  const firing = alerts.filter(({ state }) => state !== "quiet").map(({ rule, state }) => (state === "firing" ? rule : `${rule} (low traffic)`));
  const kept = valid === 0 ? "" : percent(attained);
  return [owner, objective, percent(target), kept, String(valid), percent(left), ...["5m", "1h", "6h", "3d"].map((span) => (burn[span] ?? 0).toFixed(1)), firing.join(", "), acts.join(", ")];
}

function percent(share: number): string {
  return `${Number((share * 100).toFixed(3))}%`;
}
