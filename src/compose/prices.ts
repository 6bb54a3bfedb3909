/** Managed prices as the gateway runs by them, and imports that a command hands over. */
import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { priceBook } from "../control/kinds/price.ts";
import { importPrices, readImport, type ImportResult } from "../control/price-import.ts";
import type { ControlStore } from "../control/types.ts";
import type { Config } from "../config/types.ts";
import type { PriceRecord } from "../decide/price-book.ts";
import type { SnapshotPrices } from "../config/snapshot.ts";
import type { Json } from "../wire/json.ts";
import { LOCAL_ACTOR } from "./control.ts";

/** Runs `changed` after each change of managed prices. */
export function onPricesChanged(store: Pick<ControlStore, "onChange">, changed: () => void): void {
  store.onChange((changes) => {
    if (changes.some(({ kind }) => kind === "price")) changed();
  });
}

/** Prices as they are now. */
export function pricesOf(store: Pick<ControlStore, "all">, wallMs: number): SnapshotPrices {
  return { book: priceBook(store), wallMs };
}

/** Why a managed price charges nothing as the configuration is now: for every account that it is for, the configuration has one. undefined: it does. */
export function priceLeftOut({ accounts, prices }: Pick<Config, "accounts" | "prices">, record: PriceRecord): string | undefined {
  const { of, model } = record;
  const its = accounts.filter(({ name, provider }) => ("account" in of ? name === of.account : provider.id === of.provider));
  const above = its.map((account) => {
    const own = account.models.get(model);
    const name = `providers.${account.name}.models.${model}`;
    if (own?.unmetered === true) return name;
    if (account.unmetered && "provider" in of) return `providers.${account.name}`;
    if (own?.price != null && (own.priceFromMs ?? 0) <= record.validFromMs) return `${name}.price`;
    const dated = prices.find((one) => one.model === model && goesAbove(one, record, account.name) && covers(one, record));
    return dated === undefined ? null : `prices.${dated.id.replace(/^config:/, "")}`;
  });
  if (above.length === 0 || above.includes(null)) return undefined;
  return `the configuration has a price of ${model} (${[...new Set(above)].join(", ")}), and that counts`;
}

/** A price of the configuration for an account goes above all, one for a provider above those for the provider. */
function goesAbove({ of: own }: PriceRecord, { of }: PriceRecord, account: string): boolean {
  if ("account" in own) return own.account === account;
  return "provider" in of && of.provider === own.provider;
}

/** Does it hold for as long as the other? */
function covers(one: PriceRecord, other: PriceRecord): boolean {
  return one.validFromMs <= other.validFromMs && (one.validToMs === null || (other.validToMs !== null && other.validToMs <= one.validToMs));
}

/** Take over an import that stands in a file of the data folder, by its name: a socket's line is too short for it. */
export function importFile(store: ControlStore, folder: string, name: string, nowMs: number): ImportResult {
  const refused = (message: string): ImportResult => ({ kind: "refused", code: "invalid", message, problems: [] });
  if (basename(name) !== name || !name.startsWith("import-")) return refused("not the name of an import in the data folder");
  let value: Json;
  try {
    value = JSON.parse(readFileSync(join(folder, name), "utf8")) as Json;
  } catch (error) {
    return refused(`${name} cannot be read: ${(error as Error).message}`);
  }
  const wanted = readImport(value);
  return wanted === null ? refused(`${name} is no import of prices`) : importPrices(store, wanted, LOCAL_ACTOR, nowMs);
}
