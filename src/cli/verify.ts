/** `spillway verify budgets`: what is promised of budgets, tried out here and now. */
import { parseArgs } from "node:util";
import { usdShort } from "../wire/money.ts";
import { EXIT, table, type CommandContext } from "./context.ts";
import { verifyBudgets, type VerifyOutcome } from "./verify-budgets.ts";

const HELP = `spillway verify budgets [options]

Starts gateways of this installation with a simulated provider, has them share one budget, sends requests until it is spent,
kills processes amid, and compares with what the provider billed. Needs no key and touches none of your data.

  --limit <usd>        1
  --requests <n>       10000 (fewer are larger ones, and use up the limit less evenly: the shares are judged accordingly)
  --concurrency <n>    1000
  --processes <n>      3
  --kills <n>          6
  --seed <n>           1
  --json               the outcome as one JSON object
`;

const OPTIONS = {
  limit: { type: "string", default: "1" },
  requests: { type: "string", default: "10000" },
  concurrency: { type: "string", default: "1000" },
  processes: { type: "string", default: "3" },
  kills: { type: "string", default: "6" },
  seed: { type: "string", default: "1" },
  json: { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false },
} as const;

/** So many requests the shares below are for. */
const SHARES_ARE_OF = 10_000;
const round = (percent: number): string => String(Math.round(percent * 100) / 100);

/** The promises that an outcome keeps or breaks. */
export function judge(outcome: VerifyOutcome): readonly { readonly promise: string; readonly found: string; readonly holds: boolean }[] {
  const { limitNanoUsd, violations, atFirstRefusal, end, load } = outcome;
  // Fewer requests spend the same, so each is larger: what a few of them hold is then a larger share of the limit.
  const larger = Math.max(1, SHARES_ARE_OF / (load.answered + load.refused + load.left + load.lost));
  const [settledPercent, heldPercent] = [Math.max(0, 100 - 2 * larger), Math.min(100, 0.2 * larger)];
  const share = (nanoUsd: number): string => `${((nanoUsd / limitNanoUsd) * 100).toFixed(3)} %`;
  return [
    { promise: "settled + held - overruns <= limit at every sample", found: `${violations.length} of ${outcome.samples} samples above`, holds: violations.length === 0 && outcome.samples > 0 },
    { promise: "no overrun", found: `$${usdShort(end.overrunNanoUsd)}`, holds: end.overrunNanoUsd === 0 },
    { promise: `at least ${round(settledPercent)} % settled when the first request is refused for good`, found: atFirstRefusal === null ? "none was refused" : share(atFirstRefusal.settledNanoUsd), holds: atFirstRefusal !== null && atFirstRefusal.settledNanoUsd >= (settledPercent / 100) * limitNanoUsd },
    { promise: `at most ${round(heldPercent)} % held then`, found: atFirstRefusal === null ? "none was refused" : share(atFirstRefusal.heldNanoUsd), holds: atFirstRefusal !== null && atFirstRefusal.heldNanoUsd <= (heldPercent / 100) * limitNanoUsd },
    { promise: "nothing is held in the end", found: `$${usdShort(end.heldNanoUsd)}`, holds: end.heldNanoUsd === 0 },
  ];
}

/** Run the command. Resolves with the exit code: wrong where a promise was not kept. */
export async function runVerify(args: readonly string[], context: CommandContext, main: string): Promise<number> {
  const [what, ...rest] = args;
  let values;
  try {
    values = parseArgs({ args: [...rest], options: OPTIONS, strict: true, allowPositionals: false }).values;
  } catch (error) {
    context.errors.write(`spillway: ${(error as Error).message}\n\n${HELP}`);
    return EXIT.usage;
  }
  if (what !== "budgets" || values.help) {
    (what === "budgets" || what === "--help" ? context.out : context.errors).write(HELP);
    return what === "budgets" || what === "--help" ? EXIT.ok : EXIT.usage;
  }
  const number = (text: string, least: number): number => (Number(text) >= least ? Number(text) : Number.NaN);
  const numbers = { limitUsd: number(values.limit, 0.001), requests: number(values.requests, 1), concurrency: number(values.concurrency, 1), processes: number(values.processes, 1), kills: number(values.kills, 0), seed: number(values.seed, 0) };
  for (const [name, value] of Object.entries(numbers)) {
    if (Number.isFinite(value) && (name === "limitUsd" || Number.isInteger(value))) continue;
    context.errors.write(`spillway: --${name === "limitUsd" ? "limit" : name} must be a positive number\n`);
    return EXIT.usage;
  }
  const outcome = await verifyBudgets({ ...numbers, main, told: (line) => void (values.json ? null : context.out.write(`${line}\n`)) });
  const judged = judge(outcome);
  const good = judged.every((one) => one.holds);
  if (values.json) context.out.write(`${JSON.stringify({ holds: good, promises: judged, ...outcome })}\n`);
  else {
    const { answered, refused, left, lost, others } = outcome.load;
    context.out.write(`${answered} answered, ${refused} refused, ${left} left, ${lost} lost to ${outcome.kills} kills${Object.keys(others).length > 0 ? `, ${JSON.stringify(others)}` : ""}; ${outcome.seconds.toFixed(1)} s\n`);
    context.out.write(`The provider billed $${usdShort(outcome.billedNanoUsd)}; the ledgers settled $${usdShort(outcome.end.settledNanoUsd)}, calls that were cut off by estimate (flagged).\n`);
    context.out.write(table(judged.map((one) => [one.holds ? "holds" : "BROKEN", one.promise, one.found])));
  }
  return good ? EXIT.ok : EXIT.wrong;
}
