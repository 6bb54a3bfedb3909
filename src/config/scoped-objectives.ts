/** The section `objectives`: what is promised to keys, teams and others, whichever route they ask for. */
import { SCOPE } from "../control/kinds/fields.ts";
import type { ScopedObjectives } from "../decide/objective/types.ts";
import type { Finding } from "./document.ts";
import { readObjectives } from "./objectives.ts";
import { asList, asMap, type Raw } from "./raw.ts";
import { describe } from "./report.ts";

const ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
/** What all calls of a request have in common; where it is served is its provider's to promise. */
const OF_REQUESTS = /^(?:tenant|team|project|key|member|route|tag)\//;

/** By their ids, in file order. */
export function readScopedObjectives(section: Raw, found: Finding[]): readonly ScopedObjectives[] {
  return Object.entries(section).map(([id, entry]) => {
    const path = ["objectives", id];
    if (!ID.test(id)) found.push({ path, expected: "letters, digits, . _ - (at most 63)", found: JSON.stringify(id), hint: "", at: "key" });
    const { scopes: listed, ...kinds } = asMap(entry);
    const scopes = asList(listed).flatMap((scope, index): string[] => {
      const where = [...path, "scopes", index];
      if (SCOPE.safeParse(scope).success && OF_REQUESTS.test(String(scope))) return [String(scope)];
      found.push({ path: where, expected: "a scope of requests such as key/app, team/search or tag/feature=chat", found: describe(scope), hint: "what a provider promises stands in its contract" });
      return [];
    });
    if (asList(listed).length === 0) found.push({ path: [...path, "scopes"], expected: "at least one scope, such as team/search", found: describe(listed), hint: "objectives of a route stand in the route", at: "key" });
    if (Object.keys(kinds).length === 0) found.push({ path, expected: "at least one objective", found: "none", hint: "add availability: { target: 99.9%, window: 30d }", at: "key" });
    return { id, scopes, objectives: readObjectives(kinds, path, found) };
  });
}
