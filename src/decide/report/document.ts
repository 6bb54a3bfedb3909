/**
 * The report as a text of headings, sentences and tables, for whoever writes it down. Nothing in it that a terminal would obey, but
 * what Markdown or HTML would read as a mark is still that.
 */
import { plainText } from "../../wire/plain-text.ts";
import { decimal, scaled } from "../contract/exact.ts";
import type { Objective } from "../objective/types.ts";
import type { Attainment } from "./attainment.ts";
import type { ContractSection } from "./contract-section.ts";
import type { Distribution } from "./distribution.ts";
import type { Incident, Named } from "./incidents.ts";
import type { Report } from "./report.ts";
import type { Refused, RouteSection } from "./route-section.ts";

export type Block =
  | { readonly kind: "heading"; readonly level: 1 | 2 | 3; readonly text: string }
  | { readonly kind: "text"; readonly text: string }
  /** The first column is text, the others are figures and stand to the right, but for those of `words`. */
  | { readonly kind: "table"; readonly head: readonly string[]; readonly rows: readonly (readonly string[])[]; readonly words: readonly number[] };

/** The blocks of a report, in order. */
export function documentOf(report: Report): readonly Block[] {
  return [
    heading(1, `Service report ${report.month}`),
    ...(report.complete ? [] : [text("The month was not over when this was made: events still come, and the digest changes with them.")]),
    text(`Digest of all events and of the objectives' versions: ${report.digest}`),
    text("Made again from the events, this report has the same digest: spillway report --verify FILE, with the report as JSON."),
    ...(summaryRows(report).length === 0 ? [] : [table(["of", "objective", "target", "attained", "met"], summaryRows(report), [1, 4])]),
    ...report.routes.flatMap((one) => sectionBlocks(one.route === "" ? "No route" : `Route ${one.route}`, one.route === "" ? [text(NO_ROUTE)] : [], one)),
    ...report.scopes.flatMap((one) => sectionBlocks(`Objectives ${one.scope}`, one.promised.map(({ scopes }) => text(`Of all requests in ${scopes.join(" and ")}, by whatever route.`)), one)),
    ...report.contracts.flatMap(contractBlocks),
  ];
}

const NOTHING = "nothing to judge";
const NO_ROUTE = "Requests that were refused before it was known which route they ask for. Those that are ours count as bad, but no route can be told to have missed them; objectives of keys and teams count them where it was known who asked.";

function summaryRows({ routes, scopes, contracts }: Report): readonly (readonly string[])[] {
  const row = (of: string, one: Attainment): readonly string[] => [of, one.objective.name, targetText(one), attainedText(one), metText(one)];
  return [
    ...routes.flatMap(({ route, objectives, requests }) => (objectives.length > 0 ? objectives.map((one) => row(route, one)) : route === "" ? [] : [[route, "none", "", share(requests.answeredPercent), ""]])),
    ...scopes.flatMap(({ scope, objectives }) => objectives.map((one) => row(`objectives ${scope}`, one))),
    ...contracts.flatMap((section) => contractRows(section, row)),
  ];
}

/** By minutes, which is what the contract goes by, and by calls, which is what alerts go by. */
function contractRows({ contract, terms, minutes, claim, objective }: ContractSection, row: (of: string, one: Attainment) => readonly string[]): readonly (readonly string[])[] {
  const of = `contract ${contract}`;
  if (terms.sla === null) return [[of, "none", "", "", ""]];
  const met = minutes.measured === 0 ? NOTHING : claim.result === "kept" ? "yes" : "NO";
  return [
    [of, "uptime by minutes", `${terms.sla.uptimePercent} %`, minutes.measured === 0 ? NOTHING : `${claim.uptimePercent} %`, met],
    ...(objective == null ? [] : [row(of, objective).with(1, "good calls")]),
  ];
}

function sectionBlocks(title: string, about: readonly Block[], section: Omit<RouteSection, "route" | "promised">): readonly Block[] {
  const { requests, cost, firstContent, total } = section;
  return [
    heading(2, title),
    ...about,
    text(`${minute(section.from)} to ${minute(section.until)} (UTC), a month of ${section.zone}. ${count(requests.all, "request")}, ${number(requests.valid)} valid, ${number(requests.lost)} lost, ${number(requests.saved)} saved by failover, ${number(requests.diverted)} sent elsewhere at once.`),
    heading(3, "Objectives"),
    ...(section.objectives.length === 0
      ? [text(`None was in force. Of valid requests ${share(requests.answeredPercent)} were answered to their end.`)]
      : [table(OBJECTIVE_HEAD, section.objectives.map((one) => attainmentRow(one)), [1, 7])]),
    ...named("How requests ended", "class", requests.classes),
    ...named("Not valid, and why", "why", section.exclusions),
    ...refusedBlocks(section.refused ?? []),
    ...incidentBlocks(section.incidents, "requests"),
    ...distributionBlocks(firstContent, total),
    heading(3, "Cost of reliability"),
    table(["", "USD"], [
      ["all calls", cost.allUsd], ["calls that failed", cost.failedUsd], ["calls that another was faster than", cost.beatenUsd], ["answers of a dearer candidate than the cheapest", cost.dearerUsd],
    ], []),
    ...(cost.unpriced === 0 ? [] : [text(`${count(cost.unpriced, "call")} of unknown cost stand in no sum.`)]),
    heading(3, "Deployments"),
    table(["deployment", "answered", "calls", "failed", "USD"], section.deployments.map((one) => [one.deployment, number(one.answered), number(one.calls), number(one.failed), one.usd]), []),
    ...section.contradictions.map((one) => text(`Counts and rows contradict each other: ${one}.`)),
    ...eventsText(section),
  ];
}

function contractBlocks(section: ContractSection): readonly Block[] {
  const { calls, minutes, claim, terms } = section;
  return [
    heading(2, `Contract ${section.contract}`),
    text(`${terms.account}, ${modelsText(terms)}; ${minute(section.from)} to ${minute(section.until)} (UTC), a month of ${terms.zone}.`),
    text(`${count(calls.all, "call")} that say something of the provider, ${number(calls.bad)} of them failed (${share(calls.goodPercent)} good). Of ${count(minutes.all, "minute")} ${number(minutes.measured)} had such calls; ${number(minutes.down)} went down by them, ${number(minutes.bridged)} between those without a call.`),
    heading(3, "The provider's promise"),
    ...(terms.sla === null
      ? [text("Nothing was promised.")]
      : [table(["", ""], [
          ["uptime promised", `${terms.sla.uptimePercent} %`], ["uptime by our calls", `${claim.uptimePercent} %`], ["a minute is down from", `${terms.downFromPercent} % of its calls`],
          ["bill of the month", `USD ${terms.billUsd}`], ["credit", `USD ${claim.creditUsd}`], ["", resultText(section)],
        ], [1])]),
    ...(section.objective == null ? [] : [
      heading(3, "The promise as an objective"),
      text("This is what alerts watch: good calls of those that say something of the provider. The credit above goes by minutes."),
      table(OBJECTIVE_HEAD, [attainmentRow(section.objective, "call")], [1, 7]),
    ]),
    ...(claim.evidence.length === 0 ? [] : [
      heading(3, "Evidence"),
      table(["down from", "until", "minutes", "measured", "calls", "failed", "how", "requests lost by it"], claim.evidence.map((one) => [
        minute(one.from), minute(one.until), number(one.measured + one.bridged), number(one.measured), number(one.calls), number(one.failed), list(one.outcomes), one.requests.join(" "),
      ]), [1, 6, 7]),
    ]),
    ...named("How calls ended", "outcome", calls.outcomes),
    ...incidentBlocks(section.incidents, "calls"),
    ...eventsText(section),
  ];
}

function eventsText({ events, digest }: Pick<RouteSection, "events" | "digest">): readonly Block[] {
  return [text(`Made of ${count(events.minutes, "event")} with counts and ${count(events.badRequests, "row")} of bad requests. Digest: ${digest}`)];
}

function modelsText({ models, except }: ContractSection["terms"]): string {
  const all = models.length === 1 && models[0] === "*" ? "all models" : models.join(", ");
  return except.length === 0 ? all : `${all} except ${except.join(", ")}`;
}

function resultText({ claim, terms }: ContractSection): string {
  switch (claim.result) {
    case "claim":
      return claim.claimUntil === null ? "due, once it is claimed" : `due if it is claimed before ${minute(claim.claimUntil)} UTC`;
    case "kept":
      return "the promise was kept";
    case "below_minimum":
      return `less than USD ${terms.sla?.minimumUsd ?? "0"}, for which none is given`;
    case "nothing_promised":
      return "nothing was promised";
  }
}

const OBJECTIVE_HEAD = ["objective", "promise", "target", "valid", "bad", "attained", "budget used", "met"];

function attainmentRow(one: Attainment, of: "request" | "call" = "request"): readonly string[] {
  const counted = (n: number): string => (one.objective.kind === "throughput" ? count(n, "minute") : of === "call" ? count(n, "call") : number(n));
  return [
    one.objective.name, promiseText(one.objective), targetText(one), counted(one.valid), counted(one.bad), attainedText(one),
    one.budgetUsedPercent === null ? "" : `${one.budgetUsedPercent} %`, metText(one),
  ];
}

function metText({ met }: Attainment): string {
  return met === null ? NOTHING : met ? "yes" : "NO";
}

/** An error rate is told as the rate that was promised, and not as what is left of it. */
function targetText({ objective, targetPercent }: Attainment): string {
  return objective.kind === "error_rate" ? `at most ${leftOf(targetPercent)} %` : `${targetPercent} %`;
}

function attainedText({ objective, attainedPercent }: Attainment): string {
  return attainedPercent !== null && objective.kind === "error_rate" ? `${leftOf(attainedPercent)} %` : share(attainedPercent);
}

/** Of a hundred. What was cut off from the one is on the other, so that neither looks better than it was. */
function leftOf(percent: string): string {
  return decimal(100n * 10n ** 9n - (scaled(percent, 9) ?? 0n), 9);
}

/** What is promised, in a few words. */
export function promiseText({ kind, within, atLeast, unit, window }: Objective): string {
  const beyond = within.length > 1 ? " beyond" : "";
  const times = within.map(({ upToInputTokens, withinMs }) => `${number(withinMs)} ms${upToInputTokens === null ? beyond : ` up to ${number(upToInputTokens)} tokens`}`).join(", ");
  const what: Record<Objective["kind"], string> = {
    availability: "answered to the end", error_rate: "not answered to the end", latency: `whole answer within ${times}`, first_token: `first content within ${times}`,
    output_rate: `${number(atLeast ?? 0)} tokens/s or more`, throughput: `${number(atLeast ?? 0)} ${unit ?? "requests"} a minute or all that is asked`,
  };
  const span = window.kind === "month" ? `a month of ${window.zone}` : `any ${number(Math.round(window.lengthMs / 3_600_000))} h`;
  return `${what[kind]}, over ${span}`;
}

function incidentBlocks(incidents: readonly Incident[], of: "requests" | "calls"): readonly Block[] {
  if (incidents.length === 0) return [heading(3, "Incidents"), text("None.")];
  const rows = incidents.map((one) => [
    minute(one.from), minute(one.until), number(one.minutes), one.cause, number(one.all), number(one.lost), number(one.saved), number(one.diverted), number(one.late), list(one.causes), list(one.deployments),
  ]);
  return [heading(3, "Incidents"), table(["from (UTC)", "until", "minutes", "cause", of, "lost", "saved", "sent elsewhere", "late", "what happened", "where"], rows, [1, 3, 9, 10])];
}

function distributionBlocks(first: Distribution, total: Distribution): readonly Block[] {
  const at = (ms: number | null, { count: n }: Distribution): string => (n === 0 ? "" : ms === null ? "longer" : `≤ ${number(ms)} ms`);
  const row = (name: string, one: Distribution): readonly string[] => [name, number(one.count), at(one.p50Ms, one), at(one.p95Ms, one), at(one.p99Ms, one)];
  const bounds = [...new Set([...first.buckets, ...total.buckets].map(({ upToMs }) => upToMs ?? Infinity))].toSorted((a, b) => a - b);
  const countAt = (one: Distribution, bound: number): string => number(one.buckets.find(({ upToMs }) => (upToMs ?? Infinity) === bound)?.count ?? 0);
  return [
    heading(3, "Latency of answers"),
    table(["", "answers", "p50", "p95", "p99"], [row("first content", first), row("whole answer", total)], []),
    ...(bounds.length === 0 ? [] : [table(["up to", "first content", "whole answer"], bounds.map((bound) => [bound === Infinity ? "longer" : `${number(bound)} ms`, countAt(first, bound), countAt(total, bound)]), [])]),
  ];
}

function refusedBlocks(refused: readonly Refused[]): readonly Block[] {
  if (refused.length === 0) return [];
  return [heading(3, "Refused before a route was known"), table(["why", "counts as", "count"], refused.map((one) => [one.why, one.class === "client" ? "not valid" : "bad", number(one.count)]), [1])];
}

function named(title: string, what: string, counts: readonly Named[]): readonly Block[] {
  return counts.length === 0 ? [] : [heading(3, title), table([what, "count"], counts.map((one) => [one.name, number(one.count)]), [])];
}

function heading(level: 1 | 2 | 3, words: string): Block {
  return { kind: "heading", level, text: plainText(words) };
}
function text(words: string): Block {
  return { kind: "text", text: plainText(words) };
}
function table(head: readonly string[], rows: readonly (readonly string[])[], words: readonly number[]): Block {
  return { kind: "table", head, rows: rows.map((row) => row.map(plainText)), words };
}
function share(percent: string | null): string {
  return percent === null ? NOTHING : `${percent} %`;
}
function list(counts: readonly Named[]): string {
  return counts.map((one) => `${one.name} ${number(one.count)}`).join(", ");
}
function minute(instant: string): string {
  return instant.slice(0, 16).replace("T", " ");
}
function count(n: number, word: string): string {
  return `${number(n)} ${word}${n === 1 ? "" : "s"}`;
}
/** `12,345` */
function number(n: number): string {
  const [whole = "", part] = String(n).split(".");
  return `${whole.replaceAll(/\B(?=(?:\d{3})+$)/g, ",")}${part === undefined ? "" : `.${part}`}`;
}
