/** Managed prices as the gateway runs by them, and imports that a command hands over. */
import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { priceBook } from "../control/kinds/price.ts";
import { importPrices, readImport, type ImportResult } from "../control/price-import.ts";
import type { ControlStore } from "../control/types.ts";
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
