/** Deterministic vectors: the same text always has the same one, of length 1. */
import { hashText, seededRandom } from "./random.ts";

/** `size` numbers in 32-bit floats. */
export function embed(text: string, size: number): Float32Array {
  const random = seededRandom(hashText(text));
  const vector = Float32Array.from({ length: size }, () => random.next() * 2 - 1);
  const norm = Math.hypot(...vector) || 1;
  return vector.map((value) => value / norm);
}
