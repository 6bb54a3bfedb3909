/** `spillway prices import`: shows what a price list of others would change, and changes what its owner lets it. */
import { rmSync, writeFileSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { LOCAL_ACTOR, openControl } from "../compose/control.ts";
import { importPrices, type ImportResult, type PriceImport } from "../control/price-import.ts";
import { entryText, termsOf } from "../decide/price-listing.ts";
import { reviewFeed, type Current, type EntryChange, type Proposal, type Review } from "../decide/price-review.ts";
import { readFeed, type FeedFormat, type FeedPrice } from "../providers/feeds/index.ts";
import { controlSocketPathOf, openDataDir } from "../storage/data-dir.ts";
import type { JsonObject } from "../wire/json.ts";
import type { ModelFacts } from "../wire/facts.ts";
import { askGateway } from "./control-client.ts";
import { EXIT, table, type CommandContext } from "./context.ts";
import type { PriceWorld } from "./prices.ts";

export interface ImportFlags {
  readonly format: FeedFormat;
  readonly text: string;
  readonly apply: boolean;
  /** `provider/model`s that are taken over though they are odd. */
  readonly accept: ReadonlySet<string>;
  /** Models without a price, too. */
  readonly includeNew: boolean;
  /** Only these; empty: all. */
  readonly providers: ReadonlySet<string>;
  readonly sourceDate?: string;
  readonly fromMs: number;
  readonly nowMs: number;
  readonly json: boolean;
}

/** Review, show, and with `apply` take over; gives the exit code. */
export async function importCommand(flags: ImportFlags, world: PriceWorld, context: CommandContext): Promise<number> {
  const { catalogue, providers, out, errors } = context;
  const names = new Map<string, ModelFacts>();
  for (const model of catalogue.models) for (const name of [...model.aliases, model.upstream]) if (name === model.upstream || !names.has(`${model.provider}/${name}`)) names.set(`${model.provider}/${name}`, model);
  const modelsOf = (provider: string): string[] => catalogue.models.filter((model) => model.provider === provider).flatMap((model) => [model.upstream, ...model.aliases]);
  const feed = readFeed(flags.format, flags.text, { providers: new Set(providers.keys()), modelsOf, nowMs: flags.nowMs });
  if (!feed.ok) {
    errors.write(`spillway: this is no ${flags.format} file: ${feed.message}. Nothing was changed.\n`);
    return EXIT.wrong;
  }
  const { known, unknown } = sorted(feed.prices.filter(({ provider }) => flags.providers.size === 0 || flags.providers.has(provider)), names);
  const reviews = reviewFeed(flags.includeNew ? [...known, ...unknown] : known, (proposal) => currentOf(proposal, names, world));
  const taken = reviews.filter((review) => isTaken(review, flags));
  show({ reviews, taken, flags, left: flags.includeNew ? 0 : unknown.length, problems: feed.problems }, out);
  const strange = [...flags.accept].filter((id) => !reviews.some((review) => review.id === id && review.sheet !== null));
  if (strange.length > 0) {
    errors.write(`spillway: --accept ${strange.join(", ")}: the file proposes no change of it. Nothing was changed.\n`);
    return EXIT.wrong;
  }
  if (!flags.apply || taken.length === 0) return EXIT.ok;
  const result = await takeOver({ source: flags.format, fromMs: flags.fromMs, prices: taken.map(asImport), ...(flags.sourceDate === undefined ? {} : { sourceDate: flags.sourceDate }) }, world.dataDir, flags.nowMs);
  if (result.kind === "refused") errors.write(`spillway: ${result.message}. Nothing was changed.\n`);
  else if (!flags.json) out.write(`${result.count} prices taken over\n`);
  return result.kind === "refused" ? EXIT.wrong : EXIT.ok;
}

/** By the catalogue's own names; an alias counts only where the name itself is not in the feed. */
function sorted(prices: readonly FeedPrice[], names: ReadonlyMap<string, ModelFacts>): { readonly known: readonly Proposal[]; readonly unknown: readonly Proposal[] } {
  const known = new Map<string, Proposal>();
  const twice: Proposal[] = [];
  const unknown: Proposal[] = [];
  const own = (price: FeedPrice): boolean => names.get(`${price.provider}/${price.model}`)?.upstream === price.model;
  for (const price of prices.toSorted((a, b) => Number(own(b)) - Number(own(a)))) {
    const model = names.get(`${price.provider}/${price.model}`);
    if (model === undefined) unknown.push(price);
    else if (!known.has(model.id)) known.set(model.id, { ...price, model: model.upstream });
    else if (own(price)) twice.push(price);
  }
  return { known: [...known.values(), ...twice], unknown };
}

function currentOf({ provider, model }: Proposal, names: ReadonlyMap<string, ModelFacts>, { book, atMs }: PriceWorld): Current | null {
  const record = book.recordAt({ account: "", provider, model, atMs });
  if (record !== null) return { sheet: record.sheet, byOwner: record.confidence === "owner" };
  const sheet = names.get(`${provider}/${model}`)?.price ?? null;
  return sheet === null ? null : { sheet, byOwner: false };
}

function isTaken(review: Review, { accept, includeNew }: ImportFlags): boolean {
  if (review.sheet === null) return false;
  return review.verdict === "fine" || (review.verdict === "new" && includeNew) || (review.verdict === "odd" && accept.has(review.id));
}

function asImport({ id, sheet }: Review): PriceImport["prices"][number] {
  const slash = id.indexOf("/");
  return { provider: id.slice(0, slash), model: id.slice(slash + 1), terms: (sheet === null ? {} : termsOf({ version: "", ...sheet })) as JsonObject };
}

/** To the running gateway of the folder, or, where none runs, into the folder itself. */
async function takeOver(wanted: PriceImport, dataDir: string, nowMs: number): Promise<ImportResult> {
  const gone = await askRunning(wanted, dataDir);
  if (gone !== null) return gone;
  const folder = openDataDir(dataDir);
  try {
    const control = openControl(folder.path);
    try {
      return importPrices(control.store, wanted, LOCAL_ACTOR, nowMs);
    } finally {
      control.close();
    }
  } finally {
    folder.close();
  }
}

/** null: no gateway answers for the folder. */
async function askRunning(wanted: PriceImport, dataDir: string): Promise<ImportResult | null> {
  const socket = controlSocketPathOf(dataDir);
  try {
    await askGateway(socket, "providers");
  } catch {
    // Nobody is there: the folder is free.
    return null;
  }
  const name = `import-${randomBytes(9).toString("hex")}.json`;
  const path = join(dataDir, name);
  writeFileSync(path, JSON.stringify(wanted), { mode: 0o600 });
  try {
    const reply = (await askGateway(socket, "import-prices", name)) as ImportResult | { readonly error: string };
    return "error" in reply ? { kind: "refused", code: "conflict", message: reply.error, problems: [] } : reply;
  } finally {
    rmSync(path, { force: true });
  }
}

interface Shown {
  readonly reviews: readonly Review[];
  readonly taken: readonly Review[];
  readonly flags: ImportFlags;
  /** Models that the catalogue does not have. */
  readonly left: number;
  readonly problems: readonly { readonly entry: string; readonly message: string }[];
}

const MOST_PROBLEMS = 20;

function show({ reviews, taken, flags, left, problems }: Shown, out: CommandContext["out"]): void {
  const isOurs = new Set(taken);
  if (flags.json) {
    for (const review of reviews) if (review.verdict !== "same") out.write(`${JSON.stringify({ kind: "review", ...jsonOf(review), taken: flags.apply && isOurs.has(review) })}\n`);
    for (const problem of problems) out.write(`${JSON.stringify({ kind: "problem", ...problem })}\n`);
    return;
  }
  for (const review of reviews) if (review.verdict !== "same") out.write(textOf(review, isOurs.has(review)));
  for (const { entry, message } of problems.slice(0, MOST_PROBLEMS)) out.write(`left out: ${entry}: ${message}\n`);
  if (problems.length > MOST_PROBLEMS) out.write(`left out: ${problems.length - MOST_PROBLEMS} more\n`);
  const count = (verdict: Review["verdict"]): number => reviews.filter((review) => review.verdict === verdict).length;
  out.write(`${reviews.length} models: ${count("same")} the same, ${count("fine")} change, ${count("odd")} odd, ${count("new")} new, ${count("kept")} your own, ${count("refused") + problems.length} not sound; ${left} that the catalogue does not have\n`);
  if (!flags.apply) out.write(`nothing was changed; --apply takes ${taken.length} over${count("odd") > 0 ? ", odd ones only with --accept <provider/model>" : ""}\n`);
}

const WORDS: Readonly<Record<Review["verdict"], string>> = { same: "the same", fine: "changes", new: "new", odd: "odd: needs --accept", kept: "kept", refused: "refused" };

function textOf(review: Review, isTakenNow: boolean): string {
  const word = review.verdict === "odd" && isTakenNow ? "odd, accepted" : WORDS[review.verdict];
  const rows = review.changes.map((change) => [change.path, number(change, change.old), "→", number(change, change.next), ratio(change), change.odd ?? ""]);
  return `${review.id}: ${word}${review.reasons.length === 0 ? "" : `; ${review.reasons.join("; ")}`}\n${table(rows)}`;
}

function number({ unit }: EntryChange, value: number | null): string {
  return value === null ? "–" : entryText({ unit, value });
}

function ratio({ old, next }: EntryChange): string {
  return old === null || next === null || old === 0 ? "" : `× ${(next / old).toFixed(3)}`;
}

function jsonOf({ id, verdict, reasons, notes, changes }: Review): object {
  return {
    id, verdict, reasons, notes,
    changes: changes.map((change) => ({ path: change.path, old: change.old === null ? null : number(change, change.old), new: change.next === null ? null : number(change, change.next), ratio: change.old === null || change.next === null || change.old === 0 ? null : Number((change.next / change.old).toFixed(6)), odd: change.odd })),
  };
}
