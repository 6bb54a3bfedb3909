/** The section `prices`: the same objects as those of the admin API, made here and changed only here. */
import { price, recordOf } from "../control/kinds/price.ts";
import { bookProblems, type PriceRecord } from "../decide/price-book.ts";
import type { Finding } from "./document.ts";
import { bodiesOf } from "./money-limits.ts";
import type { Raw } from "./raw.ts";
import { hintNearest } from "./report.ts";
import { ownSheet } from "./values.ts";

/** Ids of the configuration's own objects, apart from those of the store. */
const OWN = "config:";

/** Prices by their ids, in file order. */
export function readPrices(section: Raw, accountNames: ReadonlySet<string>, found: Finding[]): readonly PriceRecord[] {
  const records: PriceRecord[] = [];
  for (const { id, body } of bodiesOf("prices", price, section, found)) {
    const corrects = typeof body["corrects"] === "string" ? { corrects: OWN + body["corrects"] } : {};
    const record = recordOf({ id: OWN + id, version: 1, updatedMs: 0, body: { ...body, ...corrects } });
    if (record === null) continue;
    if ("account" in record.of && !accountNames.has(record.of.account)) found.push({ path: ["prices", id, "account"], expected: "an account from providers", found: JSON.stringify(record.of.account), hint: hintNearest(record.of.account, accountNames) });
    const { version: _version, ...sheet } = record.sheet;
    records.push({ ...record, sheet: ownSheet(sheet), fixed: true });
  }
  for (const { id, field, message } of bookProblems(records)) {
    found.push({ path: ["prices", id.slice(OWN.length), field], expected: "periods of one source one after the other", found: message.replaceAll(OWN, ""), hint: "" });
  }
  return records;
}
