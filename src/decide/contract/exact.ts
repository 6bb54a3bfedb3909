/** Exact arithmetic of contracts: decimal text in, integers within, decimal text out; one way of rounding. */

/** An integer in units of 10^-places of a decimal text or number ≥ 0; null where it is none or has more places. */
export function scaled(value: unknown, places: number): bigint | null {
  if (typeof value !== "string" && typeof value !== "number") return null;
  const match = /^(\d{1,15})(?:\.(\d+))?(?:e-(\d{1,2}))?$/.exec(String(value).trim());
  if (match === null) return null;
  const [, whole = "", part = "", shift = "0"] = match;
  const down = part.length + Number(shift);
  const digits = BigInt(whole + part);
  if (down <= places) return digits * 10n ** BigInt(places - down);
  const by = 10n ** BigInt(down - places);
  return digits % by === 0n ? digits / by : null;
}

/** Decimal text of an integer in units of 10^-places, without zeros at its end beyond `atLeast` places. */
export function decimal(value: bigint, places: number, atLeast = 0): string {
  const digits = (value < 0n ? -value : value).toString().padStart(places + 1, "0");
  const whole = digits.slice(0, digits.length - places);
  let part = places === 0 ? "" : digits.slice(-places);
  while (part.length > atLeast && part.endsWith("0")) part = part.slice(0, -1);
  return `${value < 0n ? "-" : ""}${whole}${part === "" ? "" : `.${part}`}`;
}

/** `dividend / divisor`, half up (away from zero where it is negative: a credit rounds as the charge it takes back). */
export function halfUp(dividend: bigint, divisor: bigint): bigint {
  return dividend < 0n ? -halfUp(-dividend, divisor) : (dividend * 2n + divisor) / (divisor * 2n);
}

export const NANO_PER_CENT = 10_000_000n;

/** Nano-dollars as dollars, two places at least. */
export function usdOf(nanoUsd: bigint): string {
  return decimal(nanoUsd, 9, 2);
}

/** Nano-dollars rounded half up to whole cents, in nano-dollars. */
export function toCents(nanoUsd: bigint): bigint {
  return halfUp(nanoUsd, NANO_PER_CENT) * NANO_PER_CENT;
}

export function atLeastZero(value: bigint): bigint {
  return value > 0n ? value : 0n;
}

export function smaller(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

export function larger(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

/**
 * The `index`-th of `count` parts in whole cents, as even as cents allow; they add up to the whole, with what is less than a
 * cent in the last.
 */
export function partOf(whole: bigint, index: number, count: number): bigint {
  const until = (parts: number): bigint => (parts === count ? whole : ((whole * BigInt(parts)) / (BigInt(count) * NANO_PER_CENT)) * NANO_PER_CENT);
  return until(index + 1) - until(index);
}
