/**
 * Calls that are billed by the piece (images, seconds, characters, searches) at one deployment and by tokens at another:
 * which of what was counted is on this deployment's bill. Its price says so: what has no price there is not what it bills.
 */
import { INPUT_UNITS, OUTPUT_UNITS, type Unit, type UnitCounts, type Usage } from "../wire/usage.ts";
import type { Json } from "../wire/json.ts";
import { boundNanoUsd } from "./bound.ts";
import type { Pricing } from "./deployment.ts";

export interface Counted {
  /** One by one; null: the answer does not tell. */
  readonly pieces: UnitCounts | null;
  /** What the pieces are likely to be, where they are not told. */
  readonly piecesGuess: UnitCounts;
  /** null: the answer does not tell. */
  readonly tokens: UnitCounts | null;
  readonly tokensGuess: UnitCounts;
  readonly raw: Json;
  /** The pieces are near the truth, and not told. */
  readonly guessed?: true;
}

/** Is this deployment paid by the piece, where such pieces are counted? */
function pricesPieces(pricing: Pricing, pieces: UnitCounts): boolean {
  return pricing.kind === "sheet" && (Object.keys(pieces) as Unit[]).some((unit) => pricing.sheet.base[unit] !== undefined);
}

function pricesTokens(pricing: Pricing): boolean {
  return pricing.kind === "sheet" && [...INPUT_UNITS, ...OUTPUT_UNITS].some((unit) => pricing.sheet.base[unit] !== undefined);
}

/** The usage of an answered call. What had to be guessed is flagged, and counts as an estimate. */
export function usageOf(pricing: Pricing, counted: Counted): Usage {
  const { pieces, piecesGuess, tokens, tokensGuess, raw } = counted;
  const guess = { flags: ["estimated", "usage_missing"] };
  const byPiece = pricesPieces(pricing, pieces ?? piecesGuess);
  if (pricesTokens(pricing) && !byPiece) return { units: tokens ?? tokensGuess, raw, ...(tokens === null ? guess : {}) };
  // A price for both is a bill of both; without any price everything that was told is kept.
  const beside = byPiece && !pricesTokens(pricing) ? {} : (tokens ?? {});
  return { units: { ...beside, ...(pieces ?? piecesGuess) }, raw, ...(pieces === null || counted.guessed === true ? guess : {}) };
}

/** What the whole call is likely to be billed for, if its answer never says. */
export function expectedUnits(pricing: Pricing, pieces: UnitCounts, tokens: UnitCounts): UnitCounts {
  return usageOf(pricing, { pieces: null, piecesGuess: pieces, tokens: null, tokensGuess: tokens, raw: null }).units;
}

/** The most that a call can cost; null: unknown. `pieces` null: known only by the answer. */
export function piecesBoundNanoUsd(
  pricing: Pricing,
  pieces: UnitCounts | null,
  size: { readonly inputTokens: number | null; readonly outputTokens: number | null; /** Answers as long as that; absent: one. */ readonly choiceCount?: number },
  wallMs: number,
): number | null {
  if (pricing.kind !== "sheet") return null;
  const tokens = { choiceCount: 1, ...(pricesTokens(pricing) ? size : { inputTokens: 0, outputTokens: 0 }) };
  if (pieces === null) return pricesTokens(pricing) && !pricesByPieceAtAll(pricing) ? boundNanoUsd(pricing, tokens, wallMs) : null;
  const units = Object.fromEntries(Object.entries(pieces).filter(([unit]) => pricing.sheet.base[unit as Unit] !== undefined));
  return boundNanoUsd(pricing, { ...tokens, units }, wallMs);
}

function pricesByPieceAtAll(pricing: Extract<Pricing, { kind: "sheet" }>): boolean {
  const tokens: readonly string[] = [...INPUT_UNITS, ...OUTPUT_UNITS];
  return Object.keys(pricing.sheet.base).some((unit) => unit !== "requests" && !tokens.includes(unit));
}
