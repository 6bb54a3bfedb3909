/** What is told of an error budget that burns, in words and facts. */
import type { BurnRule } from "../decide/objective/alerts.ts";
import type { OwnedEvent, Owner } from "../decide/objective/book.ts";
import type { Objective } from "../decide/objective/types.ts";
import type { Notice } from "../wire/notice.ts";

const WHAT: Readonly<Record<Objective["kind"], string>> = {
  availability: "requests that are answered whole", error_rate: "requests that do not fail", latency: "answers in time", first_token: "first tokens in time", output_rate: "answers that are fast enough", throughput: "minutes in which enough is served",
};

/** An alert began, turned into another, or is over; `gone`: because nobody promises this any longer. */
export function burnNotice({ owner, objective, event, left }: OwnedEvent, atMs: number, gone = false): Notice {
  const { rule, state, burnLong, burnShort, validLong } = event;
  const who = `${owner.kind === "scope" ? "objective" : owner.kind} ${owner.id}`;
  const common = {
    fields: {
      owner: `${owner.kind}/${owner.id}`, objective: objective.name, target_percent: percent(objective.target), rule: rule.id,
      [`burn_${rule.long}`]: rounded(burnLong), [`burn_${rule.short}`]: rounded(burnShort), [`valid_${rule.long}`]: Math.round(validLong), budget_left_percent: percent(left),
    },
    // Each beginning and each end is one event, and told.
    dedupKey: `objective/${owner.kind}/${owner.id}/${objective.name}/${rule.id}/${state}/${atMs}`,
    atMs,
    tenant: owner.scopes.find((scope) => scope.startsWith("tenant/"))?.slice("tenant/".length) ?? "default",
    scopes: scopesOf(owner),
  } as const;
  const facts = `${WHAT[objective.kind]}: ${percent(objective.target)} % promised, ${percent(Math.max(0, left))} % of the error budget left. It goes ${rounded(burnLong)} times as fast as it may over ${rule.long} and ${rounded(burnShort)} times over ${rule.short}.`;
  if (gone) return { ...common, kind: "objective_kept", severity: "info", title: `The error budget of ${who} is no longer watched: ${objective.name}`, text: `It burned when it was taken out of the configuration, or changed what it means. ${capital(facts)} Rule: ${told(rule)}.` };
  if (state === "quiet") return { ...common, kind: "objective_kept", severity: "info", title: `The error budget of ${who} no longer burns: ${objective.name}`, text: `${capital(facts)} Rule: ${told(rule)}.` };
  if (state === "low_traffic") {
    return { ...common, kind: "objective_burn", severity: "info", title: `Low traffic, and failures among it: ${who}, ${objective.name}`, text: `${capital(facts)} Only ${Math.round(validLong)} requests in ${rule.long}: too few to call anybody. Rule: ${told(rule)}.` };
  }
  return { ...common, kind: "objective_burn", severity: rule.severity === "page" ? "critical" : "warning", title: `The error budget of ${who} burns: ${objective.name}`, text: `${capital(facts)} Rule: ${told(rule)}.` };
}

function told({ severity, factor, long, short }: BurnRule): string {
  return `a ${severity} at ${factor} times over ${long} and ${short}`;
}

function scopesOf({ kind, id, scopes }: Owner): readonly string[] {
  return kind === "contract" ? [`contract/${id}`] : scopes;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function percent(share: number): number {
  return Number((share * 100).toFixed(4));
}

function rounded(value: number): number {
  return Number(value.toFixed(value < 10 ? 2 : 1));
}
