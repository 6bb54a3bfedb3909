/** Decimals as text: moved and rounded by their digits, so that no float stands between a price list and a price. */

/** `1.5e-3` → `0.0015`; null for anything but a plain or exponential number without sign. */
export function plainDecimal(text: string): string | null {
  const match = /^(\d{1,40})(?:\.(\d{1,40}))?(?:[eE]([+-]?\d{1,2}))?$/.exec(text);
  if (match === null) return null;
  const [, whole = "0", fraction = "", exponent = "0"] = match;
  return pointAt(whole + fraction, whole.length + Number(exponent));
}

/** A plain decimal times 10^`places`; a negative number of places divides. */
export function shiftDecimal(plain: string, places: number): string {
  const [whole = "0", fraction = ""] = plain.split(".");
  return pointAt(whole + fraction, whole.length + places);
}

/** A plain decimal with at most so many places, half up. */
export function roundDecimal(plain: string, places: number): string {
  const [whole = "0", fraction = ""] = plain.split(".");
  if (fraction.length <= places) return plain;
  const up = (fraction[places] ?? "0") >= "5" ? 1n : 0n;
  const digits = String(BigInt(whole + fraction.slice(0, places)) + up).padStart(places + 1, "0");
  return pointAt(digits, digits.length - places);
}

function pointAt(digits: string, point: number): string {
  if (point <= 0) return `0.${"0".repeat(-point)}${digits}`;
  if (point >= digits.length) return digits + "0".repeat(point - digits.length);
  return `${digits.slice(0, point)}.${digits.slice(point)}`;
}
