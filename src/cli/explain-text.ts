/** An explanation as people read it: of a record, or of a choice that nothing was sent by. */
import { asNumber, asString, isObject, type Json, type JsonObject } from "../wire/json.ts";
import { usdShort } from "../wire/money.ts";
import { plainText } from "../wire/plain-text.ts";
import { table } from "./context.ts";

/** The whole text. */
export function explanationText(told: JsonObject): string {
  const text = `${heading(told)}${errorLine(told["error"])}${isObject(told["decision"]) ? decisionText(told, told["decision"]) : NO_DECISION}`;
  // Names and messages are others' words, and go to a terminal.
  return text.split("\n").map(plainText).join("\n");
}

const NO_DECISION = "Nothing was decided for it.\n";

function heading(told: JsonObject): string {
  if (told["dry_run"] === true) return told["error"] === undefined ? `route ${word(told["route"])}; nothing was sent\n` : "nothing was sent\n";
  const times = [["first content", "ttft_ms"], ["whole", "total_ms"]].flatMap(([name = "", field = ""]) => (typeof told[field] === "number" ? [`${name} after ${Math.round(told[field])} ms`] : []));
  const ended = [word(told["outcome"]), ...(told["error_code"] == null ? [] : [word(told["error_code"])]), ...times].join(", ");
  const flags = texts(told["flags"]);
  return `${word(told["request_id"])} at ${word(told["at"])}\nmodel ${word(told["model"])}, route ${word(told["route"])}: ${ended}\n${flags.length === 0 ? "" : `flags ${flags.join(", ")}\n`}`;
}

function errorLine(error: Json | undefined): string {
  return isObject(error) ? `It would be refused: ${word(error["code"])}: ${word(error["message"])}\n` : "";
}

function decisionText(told: JsonObject, decision: JsonObject): string {
  const plan = isObject(decision["plan"]) ? decision["plan"] : {};
  const candidates = objects(decision["candidates"]);
  const scores = objects(plan["scores"]);
  const estimates = objects(told["estimates"] ?? decision["estimates"]);
  const rows = candidates.map((one, i) => candidateRow(one, i, byName(scores, one) ?? byName(estimates, one), byName(estimates, one)));
  const strategy = `strategy ${word(decision["strategy"])}${decision["hold_nano_usd"] == null ? "" : `, at most ${usd(decision["hold_nano_usd"])} held`}\n`;
  const parts = [
    strategy,
    decision["mirror_of"] === undefined ? "" : `a copy of ${word(decision["mirror_of"])}, for the mirror of the route\n`,
    candidates.length === 0 ? "no candidates\n" : `candidates, the first choice first\n${table(withoutEmpty([["", "deployment", "health", "fails", "breaks", "slow", "by calls", "first content", "a token", "load", "weight", "price", "score", "at most", ""], ...rows]))}`,
    planText(plan),
    trialsText(told, decision),
    leftOut(decision["filtered"]),
    unsupportedText(objects(decision["unsupported"])),
    takenText(told, decision),
    texts(decision["written_by"]).length === 0 ? "" : `its answer broke off; written by ${texts(decision["written_by"]).join(", then ")}\n`,
    ...texts(told["warnings"]).map((warning) => `warning: ${warning}\n`),
  ];
  return parts.join("");
}

/** Of those who wrote at a broken answer, and of the others: each is told once, wherever it stands in the lists. */
function unsupportedText(all: readonly JsonObject[]): string {
  const of = (rescue: boolean): readonly (readonly string[])[] => {
    const rows = all.filter((one) => (one["param"] === "rescue") === rescue).map((one) => [word(one["deployment"]), word(one["message"])] as const);
    return rows.filter(([name, message], i) => rows.findIndex((row) => row[0] === name && row[1] === message) === i);
  };
  return `${listing("could not carry it", of(false))}${listing("could not carry on what broke off", of(true))}`;
}

/** Half of its calls are expected by the first, all but one of twenty by the second. */
function times(half: Json | undefined, most: Json | undefined): string {
  return half == null ? "-" : `${count(half)} ms${most == null ? "" : ` (p95 ${count(most)})`}`;
}

function milliseconds(value: Json | undefined): string {
  return value == null ? "-" : `${count(value)} ms`;
}

/** Without columns in which nothing is known of anybody. */
function withoutEmpty(rows: readonly (readonly string[])[]): readonly (readonly string[])[] {
  const [head = [], ...others] = rows;
  const kept = head.map((_, column) => others.some((row) => row[column] !== "-"));
  return rows.map((row) => row.filter((_, column) => kept[column] === true));
}

function candidateRow(one: JsonObject, i: number, believed: JsonObject | undefined, estimate: JsonObject | undefined): readonly string[] {
  const notes = [
    one["canary"] === true ? "canary: its share goes there first" : "",
    one["automatic"] === true ? "automatic fallback" : "", one["of"] === undefined ? "" : `of ${word(one["of"])}`, one["after"] === undefined ? "" : `after ${word(one["after"])}`,
    one["may_not_fit"] === true ? "may not fit" : "", one["cost_spike"] === undefined ? "" : word(one["cost_spike"]), one["emulates"] === undefined ? "" : `makes up for ${texts(one["emulates"]).join(", ")}`,
  ];
  return [
    String(i + 1), word(one["deployment"]), word(one["health"]),
    percent(believed?.["fails_before"]), percent(believed?.["fails_after"]), percent(believed?.["slow"]), count(believed?.["calls"]),
    times(estimate?.["first_content_recent_ms"] ?? estimate?.["first_content_p50_ms"], estimate?.["first_content_p95_ms"]), milliseconds(estimate?.["token_ms"]), milliseconds(estimate?.["load_ms"]), count(estimate?.["weight"]),
    usd(believed?.["price_nano_usd"]), usd(believed?.["score_nano_usd"]), usd(one["bound_nano_usd"]),
    notes.filter((note) => note !== "").join(", "),
  ];
}

function planText(plan: JsonObject): string {
  const { pressure, risk, hedge, race } = plan;
  const lines: string[] = [];
  if (isObject(pressure)) lines.push(`pressure: ${usd(pressure["availability_nano_usd"])} for a failure, ${usd(pressure["latency_nano_usd"])} for being late`);
  if (isObject(risk)) lines.push(`risk: ${percent(risk["fails"])} that it fails, ${percent(risk["late"])} that it is late`);
  if (isObject(hedge)) lines.push(`hedge: ${word(hedge["deployment"])} beside it after ${count(hedge["after_ms"])} ms without content`);
  if (isObject(race)) lines.push(`race: ${word(race["deployment"])} beside it at once (${word(race["why"])})`);
  return lines.map((line) => `${line}\n`).join("");
}

/** What the route tries besides, of a choice that nothing was sent by; and the canary that a request was drawn for. */
function trialsText({ canary, mirror }: JsonObject, decision: JsonObject): string {
  const drawn = objects(decision["candidates"]).find((one) => one["canary"] === true);
  const lines: string[] = [];
  if (isObject(canary)) lines.push(`canary: ${word(canary["deployment"])} is tried first by ${percent(canary["share"])} of the requests${canary["takes_requests"] === false ? ", and takes none now: it is frozen or was rolled back (spillway canary)" : ""}`);
  else if (drawn !== undefined) lines.push(`canary: the request was drawn for ${word(drawn["deployment"])}, which stands first whatever the strategy`);
  if (isObject(mirror)) lines.push(`mirror: ${word(mirror["deployment"])} gets copies of ${percent(mirror["share"])} of the requests that were served`);
  return lines.map((line) => `${line}\n`).join("");
}

function leftOut(filtered: Json | undefined): string {
  return listing("left out", objects(filtered).map((one) => [word(one["deployment"]), word(one["reason"]), word(one["detail"])]));
}

function takenText(told: JsonObject, decision: JsonObject): string {
  const attempts = objects(told["attempts"]);
  if (attempts.length > 0) {
    const why = reasons(decision, attempts);
    const rows = attempts.map((one, i) => [String(i + 1), word(one["deployment"]), outcomeOf(one), one["total_ms"] == null ? "" : `${count(one["total_ms"])} ms`, usd(one["cost_nano_usd"]), [why[i] ?? "", ...texts(one["flags"])].filter((note) => note !== "").join(", ")]);
    return `called\n${table(rows)}`;
  }
  const taken = texts(decision["taken"]);
  return taken.length > 0 ? `called: ${taken.join(", ")}\n` : told["dry_run"] === true ? "" : "nobody was called\n";
}

const REASONS: Readonly<Record<string, string>> = {
  hedge: "hedge: the one before had no content in time", race: "called beside the one before, to learn of it", failover: "after the one before failed or was late",
  probe: "a probe of one that rested", repeat: "a repeat", "last-resort": "a last resort: it rested", paced: "once its pause was over", repair: "asked again, to mend its answer", rescue: "carried on what broke off",
};

/** Why each call was made, where there was more than one. Calls that got no hold stand in the one list and may not in the other. */
function reasons(decision: JsonObject, attempts: readonly JsonObject[]): readonly string[] {
  const [taken, as] = [texts(decision["taken"]), texts(decision["taken_as"])];
  let next = 0;
  return attempts.map((one) => {
    const at = taken.indexOf(word(one["deployment"]), next);
    if (at < 0) return "";
    next = at + 1;
    return REASONS[as[at] ?? ""] ?? "";
  });
}

/** With the status where it says more than the outcome. */
function outcomeOf(one: JsonObject): string {
  const status = asNumber(one["status"]);
  return status === undefined || status < 400 ? word(one["outcome"]) : `${word(one["outcome"])} (${status})`;
}

function listing(title: string, rows: readonly (readonly string[])[]): string {
  return rows.length === 0 ? "" : `${title}\n${table(rows)}`;
}

function byName(rows: readonly JsonObject[], one: JsonObject): JsonObject | undefined {
  return rows.find((row) => row["deployment"] === one["deployment"]);
}

function objects(value: Json | undefined): readonly JsonObject[] {
  return Array.isArray(value) ? (value as readonly Json[]).filter(isObject) : [];
}

function texts(value: Json | undefined): readonly string[] {
  return Array.isArray(value) ? (value as readonly Json[]).flatMap((one) => asString(one) ?? []) : [];
}

function word(value: Json | undefined): string {
  return asString(value) ?? (value == null ? "-" : JSON.stringify(value));
}

function percent(value: Json | undefined): string {
  const share = asNumber(value);
  return share === undefined ? "-" : `${Number((share * 100).toPrecision(3))} %`;
}

function count(value: Json | undefined): string {
  const number = asNumber(value);
  return number === undefined ? "-" : String(Math.round(number * 10) / 10);
}

function usd(value: Json | undefined): string {
  const nanoUsd = asNumber(value);
  return nanoUsd === undefined ? "-" : `$${usdShort(Math.round(nanoUsd))}`;
}
