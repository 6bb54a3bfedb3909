/**
 * Regular expressions of strangers, tried only where they surely end soon. The engine backtracks, so a pattern of a few
 * characters can keep it busy for years; an upper bound of the ways in which it can match is found before it is tried.
 */

const LONGEST_PATTERN = 512;
/** Ways to match, all start positions together: a few tens of milliseconds at worst. */
const MOST_WAYS = 2_000_000;
const known = new Map<string, RegExp | null>();
const REMEMBERED = 256;

/** Does the text match? null: not tried, since it is no pattern that we can read, or might take too long. */
export function matchesBounded(pattern: string, text: string): boolean | null {
  if (pattern.length > LONGEST_PATTERN || waysOf(pattern, text.length) * (text.length + 1) > MOST_WAYS) return null;
  return compiled(pattern)?.test(text) ?? null;
}

function compiled(pattern: string): RegExp | null {
  let found = known.get(pattern);
  if (found !== undefined) return found;
  try {
    found = new RegExp(pattern, "u");
  } catch {
    // Not a pattern of this dialect: JSON Schema leaves the dialect to the reader.
    found = null;
  }
  if (known.size >= REMEMBERED) known.clear();
  known.set(pattern, found);
  return found;
}

interface Level {
  /** Ways of the current branch, and of the branches before it. */
  ways: number;
  before: number;
  /** Ways of the branch without its last atom, and of that atom: a quantifier behind it applies to it alone. */
  head: number;
  atom: number;
}

/** An upper bound of the ways to match from one position. Infinity where a repeated group has several ways itself, or for what looks around or back. */
function waysOf(pattern: string, length: number): number {
  const levels: Level[] = [fresh()];
  let at = 0;
  while (at < pattern.length) {
    const level = levels.at(-1) as Level;
    const char = pattern[at];
    const quantifier = /^(?:[*+?]|\{(\d+)(?:(,)(\d*))?\})\??/.exec(pattern.slice(at));
    if (quantifier !== null && char !== undefined && "*+?{".includes(char)) {
      level.atom = repeated(level.atom, char, quantifier, length);
      level.ways = level.head * level.atom;
      at += quantifier[0].length;
    } else if (char === "(") {
      if (/^\(\?(?:[=!]|<[=!])/.test(pattern.slice(at))) return Number.POSITIVE_INFINITY;
      levels.push(fresh());
      at += /^\((?:\?:|\?<\w+>)?/.exec(pattern.slice(at))?.[0].length ?? 1;
    } else if (char === ")") {
      const inner = levels.pop() as Level;
      const outer = levels.at(-1);
      if (outer === undefined) return Number.POSITIVE_INFINITY;
      atom(outer, inner.before + inner.ways);
      at += 1;
    } else if (char === "|") {
      level.before += level.ways;
      level.ways = level.head = level.atom = 1;
      at += 1;
    } else {
      const taken = /^(?:\\.|\[(?:\\.|[^\]\\])*\]|[^])/u.exec(pattern.slice(at))?.[0] ?? "";
      if (/^\\[1-9k]/.test(taken)) return Number.POSITIVE_INFINITY;
      atom(level, 1);
      at += Math.max(1, taken.length);
    }
  }
  const [only] = levels;
  return levels.length === 1 && only !== undefined ? only.before + only.ways : Number.POSITIVE_INFINITY;
}

function fresh(): Level {
  return { ways: 1, before: 0, head: 1, atom: 1 };
}

function atom(level: Level, ways: number): void {
  level.head = level.ways;
  level.atom = ways;
  level.ways = level.head * ways;
}

function repeated(inner: number, char: string, [, least, comma, most]: RegExpExecArray, length: number): number {
  if (char === "?") return inner + 1;
  const exact = char === "{" && comma === undefined;
  const many = char === "{" && !exact && most !== "" ? Number(most) - Number(least) + 1 : exact ? 1 : length + 1;
  const times = exact ? Number(least) : Number(most === undefined || most === "" ? length : most);
  if (inner > 1) return times <= 1 ? inner * many : Number.POSITIVE_INFINITY;
  return Math.min(many, length + 1);
}
