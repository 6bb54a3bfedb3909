/** Which known names a mistyped one may have meant. Pure; cost is bounded by the length of the names. */

const LONGEST = 128;
/** More edits than this are another name, however long it is; it also bounds the work per candidate. */
const MOST_EDITS = 6;

/**
 * Edit distance (insert, delete, replace, swap of neighbours) between two strings, or `limit + 1` as soon as it is
 * known to be more than `limit`.
 */
export function editDistance(from: string, to: string, limit: number): number {
  if (Math.abs(from.length - to.length) > limit) return limit + 1;
  let older: number[] = [];
  let previous = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let row = 1; row <= from.length; row += 1) {
    const current = [row];
    let best = row;
    for (let column = 1; column <= to.length; column += 1) {
      const same = from[row - 1] === to[column - 1];
      let cost = Math.min(at(previous, column) + 1, at(current, column - 1) + 1, at(previous, column - 1) + (same ? 0 : 1));
      const swapped = row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      if (swapped) cost = Math.min(cost, at(older, column - 2) + 1);
      current.push(cost);
      best = Math.min(best, cost);
    }
    if (best > limit) return limit + 1;
    older = previous;
    previous = current;
  }
  return at(previous, to.length);
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Number.MAX_SAFE_INTEGER;
}

/**
 * Up to `count` of `known` that `name` may have meant, best first: few edits (a third of its length at most), or one
 * being a part of the other. Letter case and the part before the last slash weigh little. Empty for overlong names.
 */
export function nearestNames(name: string, known: Iterable<string>, count = 3): string[] {
  if (name.length === 0 || name.length > LONGEST) return [];
  const wanted = name.toLowerCase();
  const scored: { readonly known: string; readonly score: number }[] = [];
  for (const candidate of known) {
    const score = scoreOf(wanted, candidate.toLowerCase());
    if (score !== null) scored.push({ known: candidate, score });
  }
  scored.sort((a, b) => a.score - b.score || a.known.length - b.known.length || (a.known < b.known ? -1 : 1));
  return [...new Set(scored.map((entry) => entry.known))].slice(0, count);
}

function scoreOf(wanted: string, candidate: string): number | null {
  if (candidate.length > LONGEST) return null;
  const limit = editLimit(wanted);
  const whole = editDistance(wanted, candidate, limit);
  if (whole <= limit) return whole;
  const tail = candidate.slice(candidate.lastIndexOf("/") + 1);
  const wantedTail = wanted.slice(wanted.lastIndexOf("/") + 1);
  if (tail.length > 0 && wantedTail.length > 0 && (tail !== candidate || wantedTail !== wanted)) {
    const tailLimit = editLimit(wantedTail);
    const part = editDistance(wantedTail, tail, tailLimit);
    if (part <= tailLimit) return part + 0.5;
  }
  // A name cut short or with an ending too many: later than any typing error, the closer in length the better.
  const contained = wanted.length >= 4 && candidate.includes(wanted);
  const containing = candidate.length >= 4 && wanted.includes(candidate);
  return contained || containing ? limit + 1 + Math.abs(candidate.length - wanted.length) / LONGEST : null;
}

function editLimit(name: string): number {
  return Math.min(MOST_EDITS, Math.max(1, Math.floor(name.length / 3)));
}

/** `", did you mean a, b or c?"`, or nothing. */
export function didYouMean(names: readonly string[]): string {
  if (names.length === 0) return "";
  const last = names.at(-1) ?? "";
  return names.length === 1 ? `; did you mean ${last}?` : `; did you mean ${names.slice(0, -1).join(", ")} or ${last}?`;
}
