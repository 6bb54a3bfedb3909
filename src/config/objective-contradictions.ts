/** Objectives of one owner that cannot both be meant. Each is told at the later of the two, with the other one's name. */
import type { Objective } from "../decide/objective/types.ts";
import type { Finding } from "./document.ts";
import type { PlacedObjective } from "./objectives.ts";

/** All pairs that speak against each other. */
export function contradictions(placed: readonly PlacedObjective[]): readonly Finding[] {
  return placed.flatMap((later, index) => {
    for (const earlier of placed.slice(0, index)) {
      const why = between(earlier.objective, later.objective);
      if (why === null) continue;
      const name = String(earlier.path.at(-1) ?? earlier.objective.name);
      return [{ path: later.path, expected: `what does not contradict ${name}`, found: why[0], hint: why[1], at: "key" as const }];
    }
    return [];
  });
}

function between(a: Objective, b: Objective): readonly [found: string, hint: string] | null {
  if (isAvailability(a) && isAvailability(b) && a.target !== b.target) {
    const hint = "both count the same requests: leave one out, or make the two add up to 100%";
    return [`${percent(a.target)} and ${percent(b.target)} that are answered`, hint];
  }
  if (isTime(a) && a.kind === b.kind) return percentiles(a.target < b.target ? [a, b] : [b, a]);
  if (a.kind === "first_token" && b.kind === "latency") return beforeTheEnd(a, b);
  if (b.kind === "first_token" && a.kind === "latency") return beforeTheEnd(b, a);
  return null;
}

/** Of fewer requests less time cannot be asked than of more: p50 is within p99's time whenever p99 is. */
function percentiles([few, many]: readonly [Objective, Objective]): readonly [string, string] | null {
  const [fewMs, manyMs] = [longest(few), longest(many)];
  if (few.target === many.target || fewMs < manyMs) return null;
  return [`${percent(few.target)} within ${fewMs} ms beside ${percent(many.target)} within ${manyMs} ms`, "of a smaller share a shorter time is asked, or nothing is asked by it"];
}

/** An answer that has to have ended has to have begun. */
function beforeTheEnd(first: Objective, whole: Objective): readonly [string, string] | null {
  if (whole.target < first.target || longest(first) <= longest(whole)) return null;
  return [`a first token within ${longest(first)} ms beside whole answers within ${longest(whole)} ms`, "an answer begins before it ends: give the first token less time, or the answer more"];
}

function isAvailability({ kind }: Objective): boolean {
  return kind === "availability" || kind === "error_rate";
}

function isTime({ kind }: Objective): boolean {
  return kind === "latency" || kind === "first_token";
}

function longest({ within }: Objective): number {
  return Math.max(...within.map(({ withinMs }) => withinMs));
}

function percent(share: number): string {
  return `${Number((share * 100).toFixed(6))}%`;
}
