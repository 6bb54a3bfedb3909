/** The events of one finished request. On the path of every request, so it allocates nothing for one that went well. */
import { member, type Json, type JsonObject } from "../../wire/json.ts";
import { inputTokens, outputTokens } from "../../wire/usage.ts";
import { isWhole, judgeCall, OURS_FLAG, type Finished } from "../objective/judge.ts";
import type { RequestClass } from "../objective/types.ts";
import { BOUNDS_MS, bucketOf, type BadRequest, type Judged } from "./types.ts";

/** A finished request, as its record tells it. */
export interface EndedRequest extends Finished {
  readonly requestId: string;
  readonly atMs: number;
  readonly route: string;
  /** That answered; null: none did. */
  readonly deployment: string | null;
  readonly attempts: readonly EndedCall[];
  /** HTTP status that left. */
  readonly status: number;
  readonly decision: JsonObject;
  /** Why it was refused, where its error's code does not tell enough. */
  readonly why?: string;
}
export interface EndedCall {
  readonly deployment: string;
  readonly outcome: string;
  readonly status: number | null;
  readonly costNanoUsd: number | null;
  readonly state: string;
  readonly flags: readonly string[];
  readonly totalMs: number;
}

/** Counts that grow. */
export type Cell = Map<string, number>;

const names = (prefix: string): readonly string[] => Array.from({ length: BOUNDS_MS.length + 1 }, (_unused, k) => `${prefix}:${k}`);
const FIRST = names("first");
const TOTAL = names("total");
const CLASS = { ok: "class:ok", degraded: "class:degraded", interrupted: "class:interrupted", truncated: "class:truncated", failed: "class:failed", client: "class:client" } as const;

/** Calls that ended so say nothing against their provider. */
const NO_FAILURE: ReadonlySet<string> = new Set(["answered", "superseded", "client_gone", "unheld", "unknown", "bad_request", "content_policy", "context", "schema_mismatch", OURS_FLAG]);

/** Did a call with this outcome fail, whoever is to blame besides the client? */
export function isFailure(outcome: string): boolean {
  return !NO_FAILURE.has(outcome);
}

/** What a call came to; one that was slow and given up for another is `late`, one that came to nothing by our doing or the client's is named so. */
export function outcomeOf(call: Pick<EndedCall, "outcome" | "flags">): string {
  if (call.flags.includes(OURS_FLAG)) return OURS_FLAG;
  return call.outcome === "superseded" && call.flags.includes("late") ? "late" : call.outcome;
}

/** Counts a request; gives its row where it is bad. `cellOf`: the counts of its minute, route and version at a deployment. */
export function tally(request: EndedRequest, judged: Judged, cellOf: (deployment: string) => Cell): BadRequest | null {
  const own = cellOf(request.deployment ?? "");
  const served = isWhole(judged.class);
  add(own, CLASS[judged.class], 1);
  if (judged.class === "client") add(own, `why:${whyOf(request)}`, 1);
  if (served) {
    if (request.ttftMs !== null) add(own, FIRST[bucketOf(request.ttftMs)] ?? "", 1);
    add(own, TOTAL[bucketOf(request.totalMs)] ?? "", 1);
    add(own, "tokens", inputTokens(request.units) + outputTokens(request.units));
  }
  let missed = false;
  for (const { name, valid, good } of judged.objectives) {
    if (!valid) continue;
    const keys = keysOf(name);
    add(own, keys.valid, 1);
    if (good) add(own, keys.good, 1);
    else missed = true;
  }
  const row = isBad(judged) ? rowOf(request, judged) : null;
  const firstFailed = countCalls(request, cellOf);
  const lost = !served && judged.class !== "client";
  if (lost) add(cellOf(firstFailed ?? ""), "lost", 1);
  else if (missed) add(own, "late", 1);
  if (missed) countMissed(judged, own, lost, row === null);
  if (served) {
    if (firstFailed !== null) add(cellOf(firstFailed), "saved", 1);
    countDetour(request, cellOf);
    const dearer = dearerNanoUsd(request);
    if (dearer > 0) add(own, "dearer_cost", dearer);
  }
  return row;
}

/** Is it to be kept as a row: not answered as it was meant, or against an objective that few requests may be against? */
function isBad({ class: kind, objectives }: Judged): boolean {
  if (kind !== "ok" && kind !== "client") return true;
  for (const one of objectives) if (one.valid && !one.good && one.common !== true) return true;
  return false;
}

/** By objective: what was late, and what is counted alone. */
function countMissed({ objectives }: Judged, own: Cell, lost: boolean, rowless: boolean): void {
  for (const { name, valid, good } of objectives) {
    if (!valid || good) continue;
    const keys = keysOf(name);
    if (!lost) add(own, keys.late, 1);
    if (rowless) add(own, keys.counted, 1);
  }
}

/** Counts the calls; gives the deployment of the first that failed. */
function countCalls(request: EndedRequest, cellOf: (deployment: string) => Cell): string | null {
  let firstFailed: string | null = null;
  for (const call of request.attempts) {
    const cell = cellOf(call.deployment);
    const outcome = outcomeOf(call);
    add(cell, outcome === "answered" ? "call:answered" : `call:${outcome}`, 1);
    const verdict = judgeCall(call);
    if (verdict !== null) add(cell, verdict === "good" ? "good_calls" : "bad_calls", 1);
    const failed = isFailure(outcome);
    if (failed) firstFailed ??= call.deployment;
    if (call.costNanoUsd === null) {
      if (call.state !== "unmetered") add(cell, "unpriced", 1);
    } else if (call.costNanoUsd !== 0) {
      add(cell, "cost", call.costNanoUsd);
      if (outcome === "superseded" || outcome === "late") add(cell, "beaten_cost", call.costNanoUsd);
      // What broke off amid its answer is the answer's own price.
      else if (failed && call.deployment !== request.deployment) add(cell, "failed_cost", call.costNanoUsd);
    }
  }
  return firstFailed;
}

/** A request whose first choice was resting, and that began elsewhere for it. */
function countDetour(request: EndedRequest, cellOf: (deployment: string) => Cell): void {
  const candidates = listed(request.decision["candidates"]);
  const begun = request.attempts[0]?.deployment;
  const first = candidates[0];
  if (begun === undefined || first === undefined) return;
  const rests = isResting(first) ? first : request.decision["plan"] === undefined ? null : cheaperAtRest(candidates, begun);
  const deployment = rests?.["deployment"];
  if (typeof deployment === "string" && request.attempts.every((call) => call.deployment !== deployment)) add(cellOf(deployment), "diverted", 1);
}

/**
 * A plan has who rests behind who does not, so that the list does not tell who would have been first: it is taken to be the cheapest
 * of those at rest, if it may cost no more than what was called.
 */
function cheaperAtRest(candidates: readonly JsonObject[], begun: string): JsonObject | null {
  let found: JsonObject | null = null;
  let leastNanoUsd = Infinity;
  for (const one of candidates) {
    if (!isResting(one) || one["after"] !== undefined || one["of"] !== undefined || one["cost_spike"] !== undefined || one["may_not_fit"] === true) continue;
    const boundNanoUsd = boundOf(one);
    if (boundNanoUsd < leastNanoUsd) [found, leastNanoUsd] = [one, boundNanoUsd];
  }
  if (found === null) return null;
  const called = candidates.find((one) => one["deployment"] === begun);
  return called !== undefined && leastNanoUsd <= boundOf(called) ? found : null;
}

/** What it may cost at most; what is not metered costs nothing. */
function boundOf(candidate: JsonObject): number {
  const bound = candidate["bound_nano_usd"];
  return typeof bound === "number" ? bound : 0;
}

function isResting({ health }: JsonObject): boolean {
  return typeof health === "string" && health !== "admitting" && health !== "unknown";
}

/**
 * What the answer cost over the cheapest candidate: its cost times the share by which it was expected to be dearer. Expected
 * prices where the choice tells them, else the bounds of what each candidate may cost.
 */
export function dearerNanoUsd(request: EndedRequest): number {
  const scores = listed(member(request.decision["plan"], "scores"));
  const candidates = scores.length > 1 ? scores : listed(request.decision["candidates"]);
  if (candidates.length < 2) return 0;
  const call = request.attempts.findLast((one) => one.deployment === request.deployment);
  if (call?.costNanoUsd == null || call.costNanoUsd === 0) return 0;
  const by = candidates.every((one) => typeof one["price_nano_usd"] === "number") ? "price_nano_usd" : "bound_nano_usd";
  let least = Infinity;
  let own: number | null = null;
  for (const one of candidates) {
    const price = one[by];
    if (typeof price !== "number") continue;
    if (price < least) least = price;
    if (one["deployment"] === request.deployment) own ??= price;
  }
  return own === null || own <= least ? 0 : Math.round(call.costNanoUsd * (1 - least / own));
}

function rowOf(request: EndedRequest, judged: Judged): BadRequest {
  return {
    requestId: request.requestId, atMs: request.atMs, route: request.route, deployment: request.deployment, version: judged.version,
    class: judged.class, why: whyOf(request), status: request.status,
    missed: judged.objectives.flatMap(({ name, valid, good }) => (valid && !good ? [name] : [])),
    ttftMs: request.ttftMs, totalMs: request.totalMs,
    calls: request.attempts.map((call) => ({ deployment: call.deployment, outcome: outcomeOf(call), status: call.status, totalMs: call.totalMs })),
  };
}

/** Counts a request that was refused before a route was known. Such may come in floods, so they leave no row. `bad`: objectives that it counts against. */
export function tallyRefused(request: EndedRequest, kind: RequestClass, cell: Cell, bad: readonly string[]): void {
  add(cell, `refused:${kind}:${whyOf(request)}`, 1);
  for (const name of bad) add(cell, `refused:bad:${name}`, 1);
}

/** The row of a request with what it was to promises to whoever asked. `own`: its row by the objectives of its route, whose `version` is in force; null: it has none. */
export function scopedRow(own: BadRequest | null, version: string, scoped: readonly { readonly id: string; readonly row: BadRequest }[]): BadRequest | null {
  const [first] = scoped;
  if (first === undefined) return own;
  return { ...(own ?? { ...first.row, version, missed: [] }), scoped: scoped.map(({ id, row }) => ({ id, version: row.version, missed: row.missed })) };
}

function whyOf({ errorCode, outcome, why }: EndedRequest): string {
  return why ?? (outcome === "client_gone" ? outcome : (errorCode ?? outcome));
}

/** Names of counts of an objective, made once. */
function keysOf(objective: string): ObjectiveKeys {
  let keys = keysByName.get(objective);
  if (keys === undefined) {
    if (keysByName.size >= KEYS_MAX) keysByName.clear();
    keysByName.set(objective, (keys = { valid: `valid:${objective}`, good: `good:${objective}`, late: `late:${objective}`, counted: `counted:${objective}` }));
  }
  return keys;
}
interface ObjectiveKeys {
  readonly valid: string;
  readonly good: string;
  readonly late: string;
  readonly counted: string;
}
const keysByName = new Map<string, ObjectiveKeys>();
const KEYS_MAX = 4_096;

function listed(value: Json | undefined): readonly JsonObject[] {
  return Array.isArray(value) ? (value as readonly JsonObject[]) : [];
}

function add(cell: Cell, name: string, by: number): void {
  cell.set(name, (cell.get(name) ?? 0) + by);
}
