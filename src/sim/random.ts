/**
 * Seeded chance. What happens to a call depends on the seed, the request, the deployment and how often it was tried there, and
 * on nothing else: policies that are compared meet the same world (common random numbers).
 */

/** FNV-1a over UTF-16 units: turns a name into a number. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/** Every bit of the result depends on every bit of `a` (the finisher of MurmurHash3, public domain). */
function scramble(a: number): number {
  let hash = a | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** One stream of chance (mulberry32, public domain, T. Ettinger). It can be set to the start of any other. */
export class Chance {
  #state = 0;

  constructor(seed: number, stream: string) {
    this.restart(seed, hashText(stream), 0, 0);
  }

  /** From here on it is the stream of these four numbers. */
  restart(seed: number, stream: number, a: number, b: number): void {
    this.#state = scramble(scramble(scramble(scramble(seed + 0x9e3779b1) + stream) + a) + b);
  }

  /** Uniform in [0, 1). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  }

  /** Standard normal (Box and Muller, one of the pair). */
  normal(): number {
    const u = 1 - this.next();
    return Math.sqrt(-2 * Math.log(u)) * Math.cos(2 * Math.PI * this.next());
  }

  exponential(mean: number): number {
    return -Math.log(1 - this.next()) * mean;
  }
}

/** The share of a standard normal above z (Abramowitz and Stegun 26.2.17, error below 1e-7). */
export function normalAbove(z: number): number {
  if (z < 0) return 1 - normalAbove(-z);
  const t = 1 / (1 + 0.2316419 * z);
  const poly = t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  return (Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)) * poly;
}
