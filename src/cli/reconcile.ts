/** `spillway reconcile`: a provider's export or invoice beside the ledger, and calls priced again by corrected prices. */
import { parseArgs } from "node:util";
import { instantMs } from "../decide/price-terms.ts";
import { isTimeZone } from "../decide/zone.ts";
import { CSV_FIELDS, INVOICE_FORMATS, type CsvField } from "../providers/invoices/index.ts";
import { EXIT, type CommandContext } from "./context.ts";
import { invoiceCommand } from "./reconcile-invoice.ts";
import { rerateCommand } from "./reconcile-rerate.ts";
import { openReconcileWorld, type ReconcileWorld } from "./reconcile-world.ts";

const HELP = `spillway reconcile <file> --account <name> --format ${INVOICE_FORMATS.join("|")}
                                   a provider's export or invoice beside the ledger: the difference by its causes
    --from <day> --to <day>        only so much of it (all)
    --columns <field>=<column>,…   of a table: which column holds what; fields are
                                   ${CSV_FIELDS.slice(0, 14).join(", ")}
                                   and units such as input, cache_read, output
    --time-zone <zone>             whose days a table's days are (UTC)
    --apply                        calls that we estimated get what the invoice says of each
spillway reconcile rerate --model <account/model> --from <day>
                                   what calls would cost by the prices of their time as they are known now
    --to <day>                     up to, not including (now)
    --apply                        write adjusting rows
  --config <file>  --data-dir <folder>  --json
`;

const text = { type: "string" } as const;
const flag = { type: "boolean" } as const;
const OPTIONS = { config: text, "data-dir": text, json: flag, apply: flag, model: text, from: text, to: text, account: text, format: text, columns: text, "time-zone": text, help: { type: "boolean", short: "h" } } as const;

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
  if (subject === undefined) return wrong("reconcile needs a file, or rerate");
  const run = subject === "rerate" ? rerateBy(values, fromMs, toMs ?? nowMs, nowMs) : invoiceBy(subject, values, fromMs ?? null, toMs ?? null, nowMs);
  if (typeof run === "string") return wrong(run);
  const world = openReconcileWorld({ config: values.config, dataDir: values["data-dir"] }, context);
  if (world === null) return EXIT.wrong;
  try {
    return await run(world, context);
  } finally {
    world.attempts.close();
  }
}

type Values = ReturnType<typeof parseArgs<{ readonly options: typeof OPTIONS }>>["values"];
type Run = (world: ReconcileWorld, context: CommandContext) => Promise<number>;

/** A text says what is wrong. */
function rerateBy({ model, apply, json }: Values, fromMs: number | undefined, toMs: number, nowMs: number): Run | string {
  if (model === undefined || fromMs === undefined) return `rerate needs --${model === undefined ? "model" : "from"}`;
  if (toMs <= fromMs) return "--to is not later than --from";
  return (world, context) => rerateCommand({ model, fromMs, toMs, apply: apply === true, json: json === true, nowMs }, world, context);
}

function invoiceBy(file: string, values: Values, fromMs: number | null, toMs: number | null, nowMs: number): Run | string {
  const { account, apply, json } = values;
  const format = INVOICE_FORMATS.find((one) => one === values.format);
  const timeZone = values["time-zone"] ?? "UTC";
  if (account === undefined) return "reconcile needs --account, the configured account that the file is about";
  if (format === undefined) return `--format is one of ${INVOICE_FORMATS.join(", ")}`;
  if (!isTimeZone(timeZone)) return `--time-zone takes a zone such as Europe/Berlin, not "${timeZone}"`;
  const columns = columnsOf(values.columns ?? "");
  if (typeof columns === "string") return columns;
  return (world, context) => invoiceCommand({ file, format, account, fromMs, toMs, timeZone, columns, apply: apply === true, json: json === true, nowMs }, world, context);
}

function columnsOf(text: string): ReadonlyMap<CsvField, string> | string {
  const columns = new Map<CsvField, string>();
  for (const part of text.split(",").filter((one) => one.trim() !== "")) {
    const equals = part.indexOf("=");
    const field = CSV_FIELDS.find((one) => one === part.slice(0, Math.max(0, equals)).trim());
    if (field === undefined) return `--columns takes <field>=<column>, where a field is one of ${CSV_FIELDS.join(", ")}; "${part.trim()}" is none`;
    columns.set(field, part.slice(equals + 1).trim());
  }
  return columns;
}
