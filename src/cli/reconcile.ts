/** `spillway reconcile`: a provider's export or invoice beside the ledger, and calls priced again by corrected prices. */
import { parseArgs } from "node:util";
import { instantMs } from "../decide/price-terms.ts";
import { EXIT, type CommandContext } from "./context.ts";
import { rerateCommand } from "./reconcile-rerate.ts";
import { openReconcileWorld } from "./reconcile-world.ts";

const HELP = `spillway reconcile rerate --model <account/model> --from <day>
                                   what calls would cost by the prices of their time as they are known now
    --to <day>                     up to, not including (now)
    --apply                        write adjusting rows; owners and billing members only
  --config <file>  --data-dir <folder>  --json
`;

const text = { type: "string" } as const;
const flag = { type: "boolean" } as const;
const OPTIONS = { config: text, "data-dir": text, json: flag, apply: flag, model: text, from: text, to: text, help: { type: "boolean", short: "h" } } as const;

/** Run the command; gives the exit code. */
export async function runReconcile(args: readonly string[], context: CommandContext, nowMs: number = Date.now()): Promise<number> {
  const wrong = (problem: string): number => {
    context.errors.write(`spillway: ${problem}\n${HELP}`);
    return EXIT.usage;
  };
  let parsed;
  try {
    parsed = parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
  } catch (error) {
    return wrong((error as Error).message);
  }
  const { values, positionals } = parsed;
  if (values.help === true) {
    context.out.write(HELP);
    return EXIT.ok;
  }
  const [subject, ...rest] = positionals;
  if (rest.length > 0) return wrong(`"${rest[0]}" is one too many`);
  const [fromMs, toMs] = [values.from, values.to].map((value) => (value === undefined ? undefined : instantMs(value)));
  if (fromMs === null || toMs === null) return wrong(`--${fromMs === null ? "from" : "to"} takes a day such as 2027-01-01, or an instant such as 2027-01-01T08:00Z`);
  if (subject !== "rerate") return wrong("reconcile needs a file, or rerate");
  if (values.model === undefined || fromMs === undefined) return wrong(`rerate needs --${values.model === undefined ? "model" : "from"}`);
  const world = openReconcileWorld({ config: values.config, dataDir: values["data-dir"] }, context);
  if (world === null) return EXIT.wrong;
  try {
    return await rerateCommand({ model: values.model, fromMs, toMs: toMs ?? nowMs, apply: values.apply === true, json: values.json === true, nowMs }, world, context);
  } finally {
    world.attempts.close();
  }
}
