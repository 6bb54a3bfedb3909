/** Brings what client, ledger, health book and the fleet's bill say of a cell into the words of the expected table. */
import type { BillRow } from "../../src/fleet/index.ts";
import type { HealthRow } from "../../src/decide/health/book.ts";
import { clientOf } from "../../src/providers/dialects/clients.ts";
import type { AttemptView, RequestView } from "../../src/storage/rows.ts";
import { judgeAnswer, wordsShown } from "./answer.ts";
import type { Cell, Finding } from "./cells.ts";
import { fallbackDeployment, faultyDeployment, faultyProvider, healthyProvider, PRICE, type Evidence } from "./world.ts";

export interface Judged {
  readonly cell: Cell;
  readonly finding: Finding;
  /** What two sides say differently; empty where all agree. */
  readonly contradictions: readonly string[];
}

/** Judge every cell. */
export function judge(cells: readonly Cell[], evidence: Evidence): readonly Judged[] {
  const requests = Map.groupBy(evidence.requests, (request) => request.record?.route ?? "?");
  const bill = Map.groupBy(evidence.bill, (row) => row.model);
  return cells.map((cell) => judgeCell(cell, requests.get(cell.id) ?? [], bill.get(cell.id) ?? [], evidence));
}

function judgeCell(cell: Cell, requests: readonly RequestView[], bill: readonly BillRow[], evidence: Evidence): Judged {
  const seen = evidence.seen.get(cell.id);
  const [request] = requests;
  if (seen === undefined || request?.record == null || requests.length !== 1) throw new Error(`${cell.id}: asked ${seen === undefined ? 0 : 1} time, ${requests.length} records`);
  const { record, attempts } = request;
  const first = attempts.find((one) => one.number === 1);
  const contradictions: string[] = [];
  const check = (holds: boolean, message: string): void => {
    if (!holds) contradictions.push(message);
  };

  const answer = judgeAnswer(cell.form, seen);
  const outcome = answer === "complete" ? "ok" : answer === "typed error" ? "error_after_content" : "error";
  check(record.outcome === outcome, `the client saw ${answer}, the record says ${record.outcome}`);
  check(record.status === seen.wire.status, `status ${seen.wire.status} at the client, ${record.status} in the record`);
  check(record.attempts.length === attempts.length, `${record.attempts.length} attempts in the record, ${attempts.length} in the ledger`);
  if (cell.row.group === "after headers") {
    // The headers left with the first keep-alive and tell what was known then.
    check(seen.wire.text.startsWith(keepAliveOf(cell)), "no keep-alive was sent first");
    check(seen.wire.header("x-spillway-attempts") === "1" && seen.wire.header("x-spillway-deployment") === null, "headers of a keep-alive that know the future");
  } else {
    check(seen.wire.header("x-spillway-attempts") === String(attempts.length), `the header tells ${seen.wire.header("x-spillway-attempts")} attempts`);
    check(seen.wire.header("x-spillway-deployment") === attempts.at(-1)?.deployment, `the header names ${seen.wire.header("x-spillway-deployment")}`);
  }
  check(seen.wire.status === 200 || seen.wire.header("x-should-retry") === "false", "an error that does not say x-should-retry: false");
  check(attempts.every((one) => one.state !== "held"), "an attempt is not settled");
  check(attempts.every((one) => one.boundNanoUsd !== null && (one.costNanoUsd ?? 0) <= one.boundNanoUsd), "a charge above its hold");
  check(first?.deployment === faultyDeployment(cell), `the first attempt went to ${first?.deployment}`);
  contradictions.push(...callsAgainstRows(cell, attempts, bill, evidence), ...fallbackProblems(cell, attempts, bill, evidence));

  return {
    cell,
    finding: {
      answer,
      status: seen.wire.status,
      attempts: attempts.length,
      // What the client was shown is the last attempt's.
      money: first === undefined ? "no row" : moneyOf(first, bill.find((row) => row.client_request_id === first.attemptId), attempts.length === 1 ? wordsShown(seen) : 0),
      blame: blameOf(evidence.health.get(faultyDeployment(cell))),
    },
    contradictions,
  };
}

/** What a stream of this surface sends while it waits, as it stands on the wire. */
function keepAliveOf({ surface }: Cell): string {
  const { keepAlive } = clientOf(surface ?? "chat");
  return typeof keepAlive === "string" ? keepAlive : Buffer.from(keepAlive).toString("latin1");
}

/** Each call that a provider received has one row, made for it; each row stands for one call, or for one that could not arrive. */
function callsAgainstRows(cell: Cell, attempts: readonly AttemptView[], bill: readonly BillRow[], evidence: Evidence): readonly string[] {
  const problems: string[] = [];
  const faulty = faultyProvider(cell.row.key, cell.dialect);
  const unseen = evidence.shut.has(faulty) || (evidence.refusedConnections[faulty] ?? 0) > 0;
  for (const attempt of attempts) {
    const calls = bill.filter((row) => row.client_request_id === attempt.attemptId);
    const provider = attempt.number === 1 ? faulty : healthyProvider(cell.fallbackDialect);
    const expected = attempt.number === 1 && unseen ? 0 : 1;
    if (calls.length !== expected) problems.push(`attempt ${attempt.number} reached a provider ${calls.length} times`);
    if (calls.some((row) => row.provider !== provider)) problems.push(`attempt ${attempt.number} reached ${calls[0]?.provider}`);
    if (calls.some((row) => (row.fault !== null) !== (attempt.number === 1))) problems.push(`attempt ${attempt.number} met the fault ${calls[0]?.fault}`);
    if (calls.some((row) => row.outcome === "open")) problems.push(`attempt ${attempt.number} still runs at its provider`);
  }
  const strangers = bill.filter((row) => !attempts.some((one) => one.attemptId === row.client_request_id));
  if (strangers.length > 0) problems.push(`${strangers.length} calls without a row`);
  return problems;
}

/** The fallback is charged what its provider bills, and nothing is held against it. */
function fallbackProblems(cell: Cell, attempts: readonly AttemptView[], bill: readonly BillRow[], evidence: Evidence): readonly string[] {
  const problems: string[] = [];
  for (const attempt of attempts.slice(1)) {
    if (attempt.deployment !== fallbackDeployment(cell)) problems.push(`attempt ${attempt.number} went to ${attempt.deployment}`);
    const money = moneyOf(attempt, bill.find((row) => row.client_request_id === attempt.attemptId), 0);
    if (money !== "exact") problems.push(`the fallback's charge: ${money}`);
  }
  const blame = blameOf(evidence.health.get(fallbackDeployment(cell)));
  if (blame !== "none") problems.push(`the fallback is blamed: ${blame}`);
  return problems;
}

/** What a call was charged, in a word of the table, or the figures where none fits. */
function moneyOf(row: AttemptView, call: BillRow | undefined, shownWords: number): string {
  const cost = row.costNanoUsd;
  const billed = call?.cost_nano_usd ?? 0;
  const figures = `${row.state} ${cost} (${row.outcome}; ${row.flags.join(" ")}), the provider bills ${billed}`;
  if (cost === null) return figures;
  if (row.state === "unbilled") return cost === 0 ? "nothing" : figures;
  // Prices are USD per million tokens, so a token costs a thousand times as many nano-dollars.
  const relayed = shownWords * PRICE.output * 1_000;
  const prompt = (row.units.input ?? 0) * PRICE.input * 1_000;
  if (row.flags.includes("aborted")) return row.state === "estimated" && cost === prompt && cost > 0 ? "prompt" : figures;
  if (row.outcome === "answered" && row.state === "charged") return cost === billed && call?.usage_sent === true ? "exact" : figures;
  const enough = prompt > 0 && cost >= prompt + relayed;
  if (row.outcome === "answered") return row.flags.includes("usage_missing") && enough ? "estimate" : figures;
  if (shownWords > 0) return enough ? "relayed" : figures;
  // The provider may have gone on writing while we hung up; the prompt is what both know.
  const billedPrompt = (call?.input_tokens ?? 0) * PRICE.input * 1_000;
  return row.rawUsage !== null && cost > 0 && cost >= billedPrompt ? "usage" : figures;
}

function blameOf(row: HealthRow | undefined): string {
  if (row === undefined) return "none";
  if (row.excluded != null) return row.excluded.scope === "account" ? "credential" : "model";
  if (row.run > 0) return row.run === 1 ? "run" : `a run of ${row.run}`;
  return row.pausedUntilMs > 0 ? "pause" : "none";
}
