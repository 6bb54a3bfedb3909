import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HealthBook, type Observation, type Ticket } from "./book.ts";
import { A, ANSWERED, failed, SETTINGS } from "./test-book.ts";

const MINUTE_MS = 60_000;
const CONTENT_MS = 1_000;
const ANSWER_MS = 20_000;
const FAILURE_MS = 100;

/** What happens to each call a fixed time after it was sent, so in the order in which they were. */
class Later {
  readonly #waiting: { readonly atMs: number; readonly ticket: Ticket }[] = [];
  #first = 0;
  readonly #delayMs: number;
  readonly #happen: (ticket: Ticket, atMs: number) => void;

  constructor(delayMs: number, happen: (ticket: Ticket, atMs: number) => void) {
    this.#delayMs = delayMs;
    this.#happen = happen;
  }

  add(ticket: Ticket, nowMs: number): void {
    this.#waiting.push({ atMs: nowMs + this.#delayMs, ticket });
  }

  until(nowMs: number): void {
    for (let one = this.#waiting[this.#first]; one !== undefined && one.atMs <= nowMs; one = this.#waiting[this.#first]) {
      this.#first += 1;
      this.#happen(one.ticket, one.atMs);
    }
  }
}

interface Seen {
  readonly sentMs: readonly number[];
  readonly failedMs: readonly number[];
  readonly restedMs: number;
}

/**
 * Steady traffic to a deployment that has another beside it: what health lets through is sent there, the rest elsewhere. From
 * `downMs` until `upMs` calls that are sent fail at once; those under way go on.
 */
function drive(perS: number, downMs: number, upMs: number, endMs: number, failure: Observation = failed("server")): Seen {
  const book = new HealthBook(SETTINGS);
  const sentMs: number[] = [];
  const failedMs: number[] = [];
  let restedMs = Number.POSITIVE_INFINITY;
  const failures = new Later(FAILURE_MS, (ticket, atMs) => {
    failedMs.push(atMs);
    book.observe(ticket, failure, atMs, 0.5);
  });
  const contents = new Later(CONTENT_MS, (ticket, atMs) => book.firstContent(ticket, atMs));
  const answers = new Later(ANSWER_MS, (ticket, atMs) => book.observe(ticket, ANSWERED, atMs, 0.5));
  const send = (nowMs: number, probe: boolean): void => {
    const ticket = book.sent(A, nowMs, probe);
    sentMs.push(nowMs);
    if (nowMs >= downMs && nowMs < upMs) return failures.add(ticket, nowMs);
    contents.add(ticket, nowMs);
    answers.add(ticket, nowMs);
  };
  for (let nowMs = 1; nowMs < endMs; nowMs += 1_000 / perS) {
    for (const one of [failures, contents, answers]) one.until(nowMs);
    const { state, pausedUntilMs } = book.view(A.deployment, A.account, A.endpoint, nowMs);
    if (state !== "admitting" && restedMs === Number.POSITIVE_INFINITY) restedMs = nowMs;
    if (pausedUntilMs <= nowMs && (state === "admitting" || state === "probe-ready")) send(nowMs, state === "probe-ready");
  }
  return { sentMs, failedMs, restedMs };
}

describe("an outage of an hour, with answers of 20 s under way when it began", () => {
  for (const perS of [1 / 60, 1, 10, 100]) {
    it(`at ${perS < 1 ? "1 a minute" : `${perS} a second`} is left after five failures and what was sent before they were known, and returned from within ten minutes`, (t) => {
      const downMs = 10 * MINUTE_MS;
      const upMs = downMs + 60 * MINUTE_MS;
      const { sentMs, failedMs, restedMs } = drive(perS, downMs, upMs, upMs + 12 * MINUTE_MS);
      const atFirst = failedMs.filter((atMs) => atMs <= restedMs + FAILURE_MS).length;
      const later = failedMs.length - atFirst;
      const backShare = sentMs.filter((atMs) => atMs >= upMs + 10 * MINUTE_MS).length / (perS * 120);
      t.diagnostic(`${atFirst} failures and ${((restedMs - downMs) / 1_000).toFixed(1)} s until it rested, ${later} lost probes, ${Math.round(100 * backShare)} % back`);
      assert.ok(atFirst <= 5 + Math.ceil((perS * FAILURE_MS) / 1_000), `${atFirst} failures until it rested`);
      assert.ok(restedMs - downMs <= 5_000 / perS + FAILURE_MS + 1_000 / perS);
      assert.ok(later <= 25, `${later} lost probes`);
      assert.ok(backShare >= 0.8, `${backShare} of the traffic is back`);
    });
  }
});

describe("an outage that answers 429 without naming a pause", () => {
  it("is tried less and less often, and teaches no pace", (t) => {
    const downMs = 10 * MINUTE_MS;
    const upMs = downMs + 60 * MINUTE_MS;
    const { sentMs, failedMs } = drive(10, downMs, upMs, upMs + 12 * MINUTE_MS, failed("rate"));
    const backShare = sentMs.filter((atMs) => atMs >= upMs + 10 * MINUTE_MS).length / 1_200;
    t.diagnostic(`${failedMs.length} refused in an hour, ${Math.round(100 * backShare)} % back`);
    assert.ok(failedMs.length <= 60, `${failedMs.length} refused`);
    assert.ok(backShare >= 0.8, `${backShare} of the traffic is back`);
  });
});
