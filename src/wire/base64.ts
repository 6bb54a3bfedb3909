/** Base64 without the platform's own, which pure code does not have. Reads either alphabet, with or without padding. */

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const VALUES = new Map(`${ALPHABET}-_`.split("").map((letter, i) => [letter, i < 64 ? i : i - 2]));

/** Bytes as text of the plain alphabet, padded. */
export function toBase64(bytes: Uint8Array): string {
  const out: string[] = [];
  for (let i = 0; i < bytes.length; i += 3) {
    const left = bytes.length - i;
    const word = ((bytes[i] ?? 0) << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    const letter = (shift: number): string => ALPHABET[(word >> shift) & 63] as string;
    out.push(letter(18) + letter(12) + (left > 1 ? letter(6) : "=") + (left > 2 ? letter(0) : "="));
  }
  return out.join("");
}

/** The bytes that the text stands for; undefined where it is no base64. */
export function fromBase64(text: string): Uint8Array | undefined {
  const letters = text.replace(/=+$/, "");
  const bytes = new Uint8Array(Math.floor((letters.length * 3) / 4));
  let word = 0;
  let bits = 0;
  let at = 0;
  for (const letter of letters) {
    const value = VALUES.get(letter);
    if (value === undefined) return undefined;
    word = ((word << 6) | value) & 0xffffff;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes[at++] = (word >> bits) & 255;
  }
  return bytes;
}
