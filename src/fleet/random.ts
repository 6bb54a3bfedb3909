/** Seeded chance: the same seed gives the same draws on every machine. */
export interface Random {
  /** A number in [0, 1). */
  next(): number;
}

/** FNV-1a over UTF-16 units: enough to turn a name into a seed. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/** Mulberry32 (public domain, T. Ettinger): 32 bits of state, cheap enough to make one per call. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return {
    next() {
      state = (state + 0x6d2b79f5) >>> 0;
      let t = Math.imul(state ^ (state >>> 15), state | 1);
      t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
      return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    },
  };
}

/** One generator per call, so that what one call draws does not depend on which calls run beside it. */
export function randomOfCall(seed: number, provider: string, call: number): Random {
  return seededRandom(hashText(provider) ^ Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(call + 1, 0x85ebca6b));
}

/** A standard normal draw (Box and Muller, one of the pair). */
export function normal(random: Random): number {
  const u = 1 - random.next();
  return Math.sqrt(-2 * Math.log(u)) * Math.cos(2 * Math.PI * random.next());
}

/** An exponential draw with the given mean. */
export function exponential(random: Random, mean: number): number {
  return -Math.log(1 - random.next()) * mean;
}

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/** An identifier of `length` letters and digits. */
export function randomId(random: Random, length: number): string {
  let id = "";
  for (let i = 0; i < length; i += 1) id += ALPHABET[Math.floor(random.next() * 62)];
  return id;
}
