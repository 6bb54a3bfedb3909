/** Notices when the price list in force of a deployment is another one: a new list, a change of prices, or an announced one that came. */
import type { PriceSheet, UnitPrices } from "../wire/facts.ts";
import type { Unit } from "../wire/usage.ts";
import type { Deployment } from "./deployment.ts";
import { sheetAt } from "./price-at.ts";
import { priceText, isPerPiece } from "./price-text.ts";

export interface PriceChange {
  readonly deployment: string;
  readonly account: string;
  readonly fromVersion: string;
  /** null: from now on no price is known. */
  readonly toVersion: string | null;
  /** What changed, in words: `output from 1 to 2 USD per million`. */
  readonly words: readonly string[];
  /** Something costs more now, or nothing is known of it. */
  readonly dearer: boolean;
}

interface Seen {
  readonly sheet: PriceSheet;
  /** Announced changes of it that have come. */
  readonly come: number;
}

export class PriceWatch {
  #seen: ReadonlyMap<string, Seen> | null = null;

  /** What is other than at the last look; the first look sees nothing. Daily windows are no changes. */
  look(deployments: Iterable<Deployment>, wallMs: number): readonly PriceChange[] {
    const before = this.#seen;
    const now = new Map<string, Seen>();
    const changes: PriceChange[] = [];
    for (const { id, account, pricing } of deployments) {
      if (pricing.kind === "unmetered") continue;
      const sheet = sheetAt(pricing, wallMs);
      const was = before?.get(id);
      const is = sheet === null ? null : { sheet, come: comeOf(sheet, wallMs) };
      if (is !== null) now.set(id, is);
      if (was === undefined || (is !== null && was.sheet.version === is.sheet.version && was.come === is.come)) continue;
      const change = changeOf(was, is);
      if (change !== null) changes.push({ deployment: id, account, fromVersion: was.sheet.version, toVersion: is?.sheet.version ?? null, ...change });
    }
    this.#seen = now;
    return changes;
  }
}

function comeOf(sheet: PriceSheet, wallMs: number): number {
  let come = 0;
  for (const change of sheet.scheduled) if (change.fromMs <= wallMs) come += 1;
  return come;
}

/** null: another version of the same prices. */
function changeOf(was: Seen, is: Seen | null): Pick<PriceChange, "words" | "dearer"> | null {
  if (is === null) return { words: ["no price is known from now on"], dearer: true };
  const from = pricesOf(was);
  const to = pricesOf(is);
  const words: string[] = [];
  let dearer = false;
  for (const unit of new Set([...Object.keys(from), ...Object.keys(to)]) as Set<Unit>) {
    const [a, b] = [from[unit], to[unit]];
    if (a === b) continue;
    dearer ||= a !== undefined && b !== undefined && b > a;
    words.push(`${unit} from ${shown(a, unit)} to ${shown(b, unit)} USD ${isPerPiece(unit) ? "each" : "per million"}`);
  }
  const parts = PARTS.filter((part) => JSON.stringify(was.sheet[part] ?? null) !== JSON.stringify(is.sheet[part] ?? null));
  if (parts.length > 0) words.push(`other ${parts.map((part) => NAMES[part]).join(", ")}`);
  return words.length === 0 ? null : { words, dearer };
}

const PARTS = ["contextSteps", "windows", "tiers", "geoPermille", "surcharges"] as const satisfies readonly (keyof PriceSheet)[];
const NAMES: Readonly<Record<(typeof PARTS)[number], string>> = { contextSteps: "context steps", windows: "hours", tiers: "service tiers", geoPermille: "regions", surcharges: "surcharges" };

function pricesOf({ sheet, come }: Seen): UnitPrices {
  return sheet.scheduled.slice(0, come).reduce<UnitPrices>((prices, change) => ({ ...prices, ...change.prices }), sheet.base);
}

function shown(pico: number | undefined, unit: Unit): string {
  return pico === undefined ? "nothing" : priceText(pico, unit);
}
