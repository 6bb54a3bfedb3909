/** What a route states of costs, extra calls, its error budget, importance and regions, beside its objectives. */
import type { RouteTerms } from "../decide/balance/types.ts";
import type { Strategy } from "../decide/deployment.ts";
import { BUDGET_ACTS, DEFAULT_BUDGET_POLICY, NO_BUDGET_POLICY, type BudgetAct, type BudgetStep, type ErrorBudgetPolicy } from "../decide/objective/policy.ts";
import { IMPORTANCES, type Importance } from "../decide/objective/shedding.ts";
import type { Objective } from "../decide/objective/types.ts";
import { isWithin } from "../decide/permit.ts";
import { parseUsd } from "../wire/money.ts";
import type { Finding, Path } from "./document.ts";
import { parseShare, readObjectives } from "./objectives.ts";
import { asList, asMap, asText, type Raw } from "./raw.ts";
import type { Account, RouteConfig } from "./types.ts";

export const STRATEGIES = ["priority", "weighted", "cheapest", "fastest", "least-busy", "sticky", "balanced"] as const satisfies readonly Strategy[];

/** Shares of requests where nothing is stated. */
const HEDGE_SHARE = 0.05;
const EXPLORE_SHARE = 0.03;

/** What a route promises, and what it states for keeping it. */
export type StatedTerms = Pick<RouteConfig, "strategy" | "objectives" | "terms" | "errorBudget" | "importance" | "regions">;

/** Of a route's map. With an objective the strategy is `balanced` unless another is stated. */
export function readTerms(map: Raw, path: Path, deadlineMs: number, found: Finding[]): StatedTerms {
  const objectives = readObjectives(map["objectives"], [...path, "objectives"], found);
  if (isEmptyMap(map["objectives"])) found.push({ path: [...path, "objectives"], expected: "at least one objective", found: "none", hint: "add availability: { target: 99.9%, window: 30d }", at: "key" });
  beyondDeadline(objectives, path, deadlineMs, found);
  const stated = asText(map["strategy"]);
  const strategy = STRATEGIES.find((one) => one === stated) ?? (objectives.length > 0 ? "balanced" : "priority");
  const terms = TERM_KEYS.some((key) => Object.hasOwn(map, key)) || strategy === "balanced" ? readRouteTerms(map, path, found) : null;
  return {
    strategy,
    objectives,
    terms,
    errorBudget: readPolicy(map["error_budget"], objectives.length > 0, [...path, "error_budget"], found),
    importance: IMPORTANCES.find((one) => one === map["importance"]) ?? ("normal" satisfies Importance),
    regions: asList(map["regions"]).flatMap((one) => asText(one)?.toLowerCase() ?? []),
  };
}

const TERM_KEYS = ["cost_of_failure_usd", "cost_of_delay_usd_per_s", "hedge", "explore"] as const;

/** What only the balanced choice reads (`explore` the order by times too), where a route is ordered otherwise: nobody would notice that it does nothing. */
export function idleTerms(map: Raw, strategy: Strategy, path: Path): readonly Finding[] {
  if (strategy === "balanced") return [];
  return TERM_KEYS.filter((key) => Object.hasOwn(map, key) && !(key === "explore" && strategy === "fastest")).map((key) => ({
    path: [...path, key], expected: `strategy: balanced${key === "explore" ? " or fastest" : ""}, where ${key} is stated`, found: strategy, at: "key" as const,
    hint: "it does nothing under this strategy: add strategy: balanced, or objectives, which bring it",
  }));
}

function isEmptyMap(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value) && Object.keys(value).length === 0;
}

function readRouteTerms(map: Raw, path: Path, found: Finding[]): RouteTerms {
  return {
    costOfFailureNanoUsd: readDollars(map, "cost_of_failure_usd", path, found) ?? 0,
    costOfDelayNanoUsdPerS: readDollars(map, "cost_of_delay_usd_per_s", path, found),
    hedgeShare: readExtra(map, "hedge", HEDGE_SHARE, path, found),
    exploreShare: readExtra(map, "explore", EXPLORE_SHARE, path, found),
  };
}

function readDollars(map: Raw, key: string, path: Path, found: Finding[]): number | null {
  const value = map[key];
  if (typeof value !== "number" && typeof value !== "string") return null;
  const nanoUsd = parseUsd(value);
  // What is no number at all is the schema's to tell.
  if ((nanoUsd === null || nanoUsd < 0) && Number.isFinite(Number(value))) found.push({ path: [...path, key], expected: "dollars, 0 or more, with at most nine decimal places", found: String(value), hint: "" });
  return nanoUsd;
}

function readExtra(map: Raw, key: "hedge" | "explore", usual: number, path: Path, found: Finding[]): number {
  const value = map[key];
  if (value === "off" || value === false) return 0;
  const text = asText(value);
  if (text === null) return usual;
  const share = parseShare(text);
  if (share !== null) return share;
  if (text.endsWith("%")) found.push({ path: [...path, key], expected: "off, or a percentage up to 100%", found: JSON.stringify(text), hint: "" });
  return usual;
}

function readPolicy(entry: unknown, promised: boolean, path: Path, found: Finding[]): ErrorBudgetPolicy {
  if (entry === "off" || entry === false) return NO_BUDGET_POLICY;
  if (!Array.isArray(entry)) return promised ? DEFAULT_BUDGET_POLICY : NO_BUDGET_POLICY;
  if (!promised) found.push({ path, expected: "an error budget only where there are objectives", found: "no objectives", hint: "what is left is reckoned by them: add objectives", at: "key" });
  const steps: BudgetStep[] = [];
  for (const [index, one] of entry.entries()) {
    const { left: text, do: acts } = asMap(one);
    const left = parseShare(asText(text));
    const above = steps.at(-1)?.left ?? 2;
    if (left === null) {
      if (typeof text === "string" && text.endsWith("%")) found.push({ path: [...path, index, "left"], expected: "a percentage from 0% to 100%", found: JSON.stringify(text), hint: "" });
      continue;
    }
    if (left >= above) found.push({ path: [...path, index, "left"], expected: "less than in the step before", found: JSON.stringify(text), hint: "from the most that is left to the least" });
    steps.push({ left, acts: asList(acts).filter((act): act is BudgetAct => BUDGET_ACTS.includes(act as BudgetAct)) });
  }
  return { steps };
}

/** What ends with the deadline cannot come later than it: the promise could never be broken. */
function beyondDeadline(objectives: readonly Objective[], path: Path, deadlineMs: number, found: Finding[]): void {
  for (const { name, kind, within } of objectives) {
    if (kind !== "first_token") continue;
    const late = within.find(({ withinMs }) => withinMs >= deadlineMs);
    if (late !== undefined) found.push({ path: [...path, "objectives", kind], expected: `less than the route's deadline, ${deadlineMs} ms`, found: `${late.withinMs} ms in ${name}`, hint: "a request without content by its deadline has failed, so it could never be late", at: "key" });
  }
}

/** All lists of a route's deployments: as they are written, and as they are read. */
const LISTS = [["candidates", "candidates"], ["cheaper", "cheaper"], ["on_context_window", "onContextWindow"], ["on_content_policy", "onContentPolicy"]] as const;

/** Candidates that run in none of their route's regions: no request could ever go to them. */
export function regionFindings(routes: readonly RouteConfig[], accounts: readonly Account[]): readonly Finding[] {
  const regionOf = new Map(accounts.map((account) => [account.name, account.region]));
  return routes.flatMap((route) =>
    placesOf(route).flatMap(({ use, at }): Finding[] => {
      const account = use.slice(0, Math.max(0, use.indexOf("/")));
      const region = regionOf.get(account);
      if (route.regions.length === 0 || region === undefined || isWithin(region, route.regions)) return [];
      return [{ path: ["routes", route.name, ...at], expected: `a candidate in ${route.regions.join(" or ")}`, found: region === null ? `${use}, whose account states no region` : `${use} in ${region}`, hint: `no request of this route could ever go there: take it out, or set the region of providers.${account}` }];
    }),
  );
}

/** Every deployment that a route names, and where. */
function placesOf(route: RouteConfig): readonly { readonly use: string; readonly at: Path }[] {
  const listed = LISTS.flatMap(([list, key]) => route[key].map(({ use }, index) => ({ use, at: [list, index] })));
  const tried = (["canary", "mirror"] as const).flatMap((key) => (route[key] === undefined ? [] : [{ use: route[key].use, at: [key, "use"] }]));
  return [...listed, ...tried];
}
