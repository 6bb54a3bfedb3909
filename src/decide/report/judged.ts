/** A finished request judged by all objectives of one owner, for its events. */
import { classOf, judge, type Finished } from "../objective/judge.ts";
import type { Objective } from "../objective/types.ts";
import { ROWS_FROM_TARGET, type Judged } from "./types.ts";

/** What a request came to by `objectives`, whose version is `version`. */
export function judgedBy(version: string, objectives: readonly Objective[], request: Finished): Judged {
  const kind = classOf(request);
  if (objectives.length === 0) return { class: kind, version, objectives: [] };
  return {
    class: kind,
    version,
    objectives: objectives.map((objective) => {
      const verdict = judge(objective, request, kind);
      return { name: objective.name, valid: verdict !== null, good: verdict === "good", common: objective.target < ROWS_FROM_TARGET };
    }),
  };
}
