/** What the tests of the book of health share. */
import { faultOf, type FailureClass, type Outcome } from "../../wire/outcome.ts";
import { HealthBook, type HealthId, type HealthView, type Observation, type Ticket } from "./book.ts";

export const SETTINGS = { restMs: 5_000, restMaxMs: 300_000 };
export const A: HealthId = { deployment: "one/m", account: "one", endpoint: "chat" };
export const HARD: readonly FailureClass[] = ["network", "timeout", "server", "overload", "malformed", "truncated", "empty", "too_large"];
export const ANSWERED: Outcome = { kind: "answered" };

/** It failed before content. */
export function failed(failure: FailureClass, retryAfterMs: number | null = null): Outcome {
  return {
    kind: "failed",
    error: { class: failure, status: 0, message: "", type: null, code: null, param: null, retryAfterMs },
    phase: "before-content",
    fault: faultOf(failure),
  };
}

/** A book with one deployment, and shorthands that send and end one call at a time. */
export function bench(id: HealthId = A) {
  const book = new HealthBook(SETTINGS);
  const call = (observation: Observation, nowMs: number, probe = false): Ticket => {
    const ticket = book.sent(id, nowMs, probe);
    book.observe(ticket, observation, nowMs, 0);
    return ticket;
  };
  const view = (nowMs: number): HealthView => book.view(id.deployment, id.account, id.endpoint, nowMs);
  const fail = (times: number, nowMs: number): void => {
    for (let i = 0; i < times; i += 1) call(failed("server"), nowMs);
  };
  /** As many good probes as it takes, each as soon as one may go; the time when it admits. */
  const recover = (fromMs: number): number => {
    let nowMs = fromMs;
    for (; view(nowMs).state !== "admitting" && nowMs < fromMs + 600_000; nowMs += 100) if (view(nowMs).state === "probe-ready") call(ANSWERED, nowMs, true);
    return nowMs;
  };
  return { book, call, view, fail, recover };
}
