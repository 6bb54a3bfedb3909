/**
 * Money as text: dollars with up to nine places on the outside, integer nano-dollars within. No float stands in between, so
 * what is written is what is meant.
 */

const NANO_PER_USD = 1_000_000_000n;
const DECIMAL = /^(-?)(\d{1,12})(?:\.(\d{1,9}))?$/;

/**
 * Nano-dollars of a decimal text or number (`"100"`, `0.05`, `"-1.25"`); null where it is none, has more than nine places or
 * passes the safe integers. A number is read by its shortest decimal text, as it stood in the file it came from.
 */
export function parseUsd(value: unknown): number | null {
  if (typeof value !== "string" && typeof value !== "number") return null;
  const found = DECIMAL.exec(typeof value === "number" ? plainText(value) : value.trim());
  if (found === null) return null;
  const [, sign, whole = "", part = ""] = found;
  const nano = BigInt(whole) * NANO_PER_USD + BigInt(part.padEnd(9, "0"));
  if (nano > BigInt(Number.MAX_SAFE_INTEGER)) return null;
  return sign === "-" && nano > 0n ? -Number(nano) : Number(nano);
}

/** Small numbers print with an exponent; nine places are all that count. */
function plainText(value: number): string {
  const text = String(value);
  if (!text.includes("e-")) return text;
  const fixed = value.toFixed(9);
  return Number(fixed) === value ? fixed : text;
}

/** Dollars with nine places, `-` in front where it is less than nothing. */
export function usdText(nanoUsd: number): string {
  const text = String(Math.abs(nanoUsd)).padStart(10, "0");
  return `${nanoUsd < 0 ? "-" : ""}${text.slice(0, -9)}.${text.slice(-9)}`;
}

/** Dollars as a person writes them: two places at least, no more than are needed. */
export function usdShort(nanoUsd: number): string {
  return usdText(nanoUsd).replace(/0{1,7}$/, "");
}
