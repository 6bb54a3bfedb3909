/** Fields of a result in a bucket, whoever's they are. */
import type { InvoiceLine } from "../../wire/invoice.ts";
import type { Json, JsonObject } from "../../wire/json.ts";
import type { UnitCounts } from "../../wire/usage.ts";
import { countOf, shownText } from "./amount.ts";
import { BadLine } from "./pages.ts";

/** Where a result stands and when it was. */
export type Place = Pick<InvoiceLine, "at" | "fromMs" | "toMs">;

/** A count that has to be there. Throws BadLine. */
export function need(result: JsonObject, name: string): number {
  const count = countOf(result[name]);
  if (count === null) throw new BadLine(`${name} is no count`);
  return count;
}

/** A count that may be left out, which is none. Throws BadLine. */
export function may(result: JsonObject, name: string): number {
  return result[name] === undefined || result[name] === null ? 0 : need(result, name);
}

/** A name; null where there is none. */
export function nameOf(value: Json | undefined): string | null {
  return typeof value === "string" && value !== "" ? shownText(value) : null;
}

/** Without classes of which there are none. */
export function dropZeros(units: UnitCounts): UnitCounts {
  return Object.fromEntries(Object.entries(units).filter(([, count]) => count !== 0));
}
