/** `spillway reconcile rerate`: which calls would cost something else by the prices of their time as they are known now. */
import { reratedCalls, type ReratedCall } from "../compose/rerate.ts";
import type { LeftWhy } from "../decide/rerate.ts";
import { usdText } from "../wire/money.ts";
import { EXIT, table, type CommandContext } from "./context.ts";
import { applyAdjustments } from "./reconcile-apply.ts";
import { readFrom, type ReconcileWorld } from "./reconcile-world.ts";

export interface RerateFlags {
  readonly model: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly apply: boolean;
  readonly json: boolean;
  readonly nowMs: number;
}

const SHOWN_ROWS = 20;
const LEFT: Readonly<Record<LeftWhy | "same", string>> = {
  same: "cost the same", held: "not settled yet", batch: "batches, which are priced line by line", unbilled: "not billed", unmetered: "unmetered",
  provider_cost: "priced by their provider itself", covered: "paid by a contract's capacity or quota", volume_steps: "under a contract with volume steps, where the order of calls decides",
  price_unknown: "without a known price",
};

/** Show what would change, and with `apply` change it; gives the exit code. */
export async function rerateCommand(flags: RerateFlags, world: ReconcileWorld, context: CommandContext): Promise<number> {
  const { out } = context;
  const left = new Map<LeftWhy | "same", number>();
  const calls = [...reratedCalls(world, world.attempts, flags, left)];
  if (flags.json) for (const call of calls) out.write(`${JSON.stringify(jsonOf(call))}\n`);
  else out.write(text(calls, left));
  if (left.has("price_unknown") || (calls.length === 0 && left.size === 0)) context.errors.write(readFrom(world));
  if (!flags.apply || calls.length === 0) return EXIT.ok;
  const note = `${flags.model} from ${new Date(flags.fromMs).toISOString()} to ${new Date(flags.toMs).toISOString()}`;
  return await applyAdjustments({ reason: "rerate", note, adjustments: calls }, world, flags.json ? { ...context, out: context.errors } : context, flags.nowMs);
}

function jsonOf({ attemptId, deployment, atMs, period, wasNanoUsd, costNanoUsd, wasVersion, priceVersion, flags }: ReratedCall) {
  return {
    attempt_id: attemptId, at: new Date(atMs).toISOString(), period, deployment, was_nano_usd: wasNanoUsd, cost_nano_usd: costNanoUsd,
    difference_nano_usd: costNanoUsd - (wasNanoUsd ?? 0), was_price_version: wasVersion, price_version: priceVersion, flags,
  };
}

function text(calls: readonly ReratedCall[], left: ReadonlyMap<LeftWhy | "same", number>): string {
  const rest = [...left].map(([why, count]) => `${count} ${LEFT[why]}`).join("; ");
  const others = rest === "" ? "" : `Left as they are: ${rest}.\n`;
  if (calls.length === 0 && others === "") return "There are no calls of that model in that time.\n";
  if (calls.length === 0) return `No call would cost something else.\n${others}`;
  const rows = calls.slice(0, SHOWN_ROWS).map((call) => [new Date(call.atMs).toISOString(), call.attemptId, call.deployment, call.wasNanoUsd === null ? "unknown" : usdText(call.wasNanoUsd), usdText(call.costNanoUsd)]);
  const more = calls.length > SHOWN_ROWS ? `  and ${calls.length - SHOWN_ROWS} more (--json lists all)\n` : "";
  return `${table([["at", "call", "deployment", "was USD", "is USD"], ...rows])}${more}${table([["period", "deployment", "calls", "was USD", "is USD", "difference"], ...periods(calls)])}${others}`;
}

/** Sums of each period and deployment, and of all. */
function periods(calls: readonly ReratedCall[]): readonly (readonly string[])[] {
  const groups = Map.groupBy(calls, ({ period, deployment }) => `${period}\n${deployment}`);
  const line = (name: readonly string[], of: readonly ReratedCall[]): readonly string[] => {
    const [was, is] = [of.reduce((sum, one) => sum + (one.wasNanoUsd ?? 0), 0), of.reduce((sum, one) => sum + one.costNanoUsd, 0)];
    return [...name, String(of.length), usdText(was), usdText(is), usdText(is - was)];
  };
  return [...[...groups].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([key, of]) => line(key.split("\n"), of)), line(["all", ""], calls)];
}
