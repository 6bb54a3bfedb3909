/** `spillway prices`: what is charged and who says so, one model over its providers, and price lists of others taken over. */
import { existsSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { buildSnapshot, type Snapshot } from "../config/snapshot.ts";
import { loadConfig } from "../config/source.ts";
import { priceBook } from "../control/kinds/price.ts";
import { PriceBook } from "../decide/price-book.ts";
import { instantMs } from "../decide/price-terms.ts";
import { FEED_FORMATS, type FeedFormat } from "../providers/feeds/index.ts";
import { controlPathOf } from "../storage/control-files.ts";
import { openControlForReading } from "../storage/control.ts";
import { EXIT, type CommandContext } from "./context.ts";
import { importCommand } from "./prices-import.ts";
import { compareModels, showPrices, type Priced } from "./prices-show.ts";

export const PRICES_HELP = `spillway prices show [model]       what is charged now, and who says so (≈: sources disagree, or from memory)
spillway prices compare <model>    what the model costs at each provider that has it
spillway prices import <file> --format ${FEED_FORMATS.join("|")}
                                   what the file would change; nothing is changed without --apply
    --apply                        take over what is within bounds
    --accept <provider/model>      take this over too, though it is odd (may be repeated)
    --new                          models without a price, too
    --provider <id>                only this provider (may be repeated)
    --from <day>                   from when it holds (now)
    --source-date <day>            the day of the file
  --config <file>  --data-dir <folder>  --at <day or instant>  --json
`;

/** Where prices come from: the configuration's accounts (none: the whole catalogue) and the managed prices of a data folder. */
export interface PriceWorld {
  readonly book: PriceBook;
  readonly snapshot: Snapshot | null;
  readonly dataDir: string;
  readonly atMs: number;
}

/** Run the command; gives the exit code. */
export async function runPrices(args: readonly string[], context: CommandContext, nowMs: number = Date.now()): Promise<number> {
  const flags = readFlags(args, context);
  if (typeof flags === "number") return flags;
  const { values, positionals } = flags;
  const [verb, subject, ...rest] = positionals;
  const wrong = (text: string): number => {
    context.errors.write(`spillway: ${text}\n${PRICES_HELP}`);
    return EXIT.usage;
  };
  if (rest.length > 0) return wrong(`"${rest[0]}" is one too many`);
  const atMs = values.at === undefined ? nowMs : instantMs(values.at);
  const fromMs = values.from === undefined ? nowMs : instantMs(values.from);
  if (atMs === null || fromMs === null) return wrong(`--${atMs === null ? "at" : "from"} takes a day such as 2027-01-01, or an instant such as 2027-01-01T08:00Z`);
  const world = openWorld(values, context, atMs);
  if (world === null) return EXIT.wrong;
  const output = { out: context.out, json: values.json === true };
  switch (verb) {
    case "show":
      return showPrices(pricedModels(world, context), subject ?? null, output, context.errors);
    case "compare":
      if (subject === undefined) return wrong("compare needs a model");
      return compareModels(pricedModels({ ...world, snapshot: null }, context), subject, output, context.errors);
    case "import": {
      const format = FEED_FORMATS.find((one) => one === values.format);
      if (subject === undefined || format === undefined) return wrong(subject === undefined ? "import needs a file" : `--format is one of ${FEED_FORMATS.join(", ")}`);
      const text = readText(subject, context);
      if (text === null) return EXIT.wrong;
      return await importCommand({ ...importFlags(values, format), text, fromMs, nowMs }, world, context);
    }
    default:
      return wrong(verb === undefined ? "prices needs one of show, compare, import" : `prices has no "${verb}"`);
  }
}

function readFlags(args: readonly string[], { out, errors }: CommandContext) {
  try {
    const text = { type: "string" } as const;
    const many = { type: "string", multiple: true } as const;
    const flag = { type: "boolean" } as const;
    const options = { config: text, "data-dir": text, at: text, json: flag, format: text, apply: flag, accept: many, new: flag, provider: many, from: text, "source-date": text, help: { type: "boolean", short: "h" } } as const;
    const parsed = parseArgs({ args: [...args], options, allowPositionals: true });
    if (parsed.values.help !== true) return parsed;
    out.write(PRICES_HELP);
    return EXIT.ok;
  } catch (error) {
    errors.write(`spillway: ${(error as Error).message}\n${PRICES_HELP}`);
    return EXIT.usage;
  }
}
type Values = Exclude<ReturnType<typeof readFlags>, number>["values"];

function importFlags(values: Values, format: FeedFormat) {
  return {
    format,
    apply: values.apply === true,
    accept: new Set(values.accept ?? []),
    includeNew: values.new === true,
    providers: new Set(values.provider ?? []),
    json: values.json === true,
    ...(values["source-date"] === undefined ? {} : { sourceDate: values["source-date"] }),
  };
}

const LARGEST_FILE_BYTES = 64 << 20;

function readText(path: string, { errors }: CommandContext): string | null {
  try {
    const bytes = readFileSync(path);
    if (bytes.length <= LARGEST_FILE_BYTES) return bytes.toString("utf8");
    errors.write(`spillway: ${path} is larger than 64 MiB, which is no price list\n`);
  } catch (error) {
    errors.write(`spillway: ${path} cannot be read: ${(error as Error).message}\n`);
  }
  return null;
}

/** null: something is wrong with the configuration or the data folder, and has been told. */
function openWorld(values: Values, context: CommandContext, atMs: number): PriceWorld | null {
  const dataDir = values["data-dir"] ?? context.env["SPILLWAY_DATA_DIR"] ?? "./.spillway";
  const book = managedPrices(dataDir);
  const loaded = loadConfig({ configFile: values.config ?? null, ...context });
  if (loaded.ok) {
    const snapshot = loaded.config.accounts.length === 0 ? null : buildSnapshot(loaded.config, context.catalogue, context.providers, { book, wallMs: atMs });
    return { book, snapshot, dataDir, atMs };
  }
  context.errors.write("spillway: the configuration is not good; run `spillway check` to see why\n");
  return null;
}

/** The managed prices of a folder, whether or not a gateway runs on it. */
function managedPrices(dataDir: string): PriceBook {
  const path = controlPathOf(dataDir);
  if (!existsSync(path)) return new PriceBook([]);
  const reader = openControlForReading(path);
  try {
    return priceBook(reader);
  } finally {
    reader.close();
  }
}

/** Everything that has a price: deployments of the configuration, or the catalogue's models. */
function pricedModels({ snapshot, book, atMs }: PriceWorld, { catalogue }: CommandContext): readonly Priced[] {
  if (snapshot !== null) {
    return [...snapshot.deployments.values()].map(({ id, account, provider, model, upstreamModel, pricing }): Priced => {
      const asked = { account, provider: provider.id, atMs };
      const record = [upstreamModel, model?.upstream ?? upstreamModel].map((name) => book.recordAt({ ...asked, model: name })).find((one) => one !== null) ?? null;
      return { id, model, upstream: upstreamModel, pricing, record, atMs };
    });
  }
  return catalogue.models.map((model): Priced => {
    const asked = { account: "", provider: model.provider, model: model.upstream, atMs };
    const pricing = book.pricingAt(asked, model.price) ?? (model.price === null ? { kind: "unknown" as const } : { kind: "sheet" as const, sheet: model.price });
    return { id: model.id, model, upstream: model.upstream, pricing, record: book.recordAt(asked), atMs };
  });
}
