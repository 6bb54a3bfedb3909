/** October 2026 as it may have been, for tests: two requests a minute, two incidents, and what else a month has. */
import { createHash } from "node:crypto";
import { classOf, judge } from "../objective/judge.ts";
import type { Objective } from "../objective/types.ts";
import { inOrder, versionOf, type NewHash } from "./canonical.ts";
import { tally, type Cell, type EndedCall, type EndedRequest } from "./tally.ts";
import { MINUTE_MS, type BadRequest, type MinuteEvent } from "./types.ts";

export const sha256: NewHash = () => {
  const hash = createHash("sha256");
  return { update: (text) => hash.update(text), digest: () => hash.digest("hex") };
};

export const MONTH_MS = Date.UTC(2026, 9, 1);
export const MONTH_END_MS = Date.UTC(2026, 10, 1);

const MONTH = { kind: "month", zone: "UTC" } as const;
export const AVAILABLE: Objective = { name: "availability", kind: "availability", target: 0.999, window: MONTH, within: [], atLeast: null, unit: null };
export const IN_TIME: Objective = { name: "latency", kind: "latency", target: 0.9999, window: MONTH, within: [{ upToInputTokens: null, withinMs: 2_000 }], atLeast: null, unit: null };
export const SERVED: Objective = { name: "throughput", kind: "throughput", target: 0.999, window: MONTH, within: [], atLeast: 2, unit: "requests" };
export const OBJECTIVES: readonly Objective[] = [AVAILABLE, IN_TIME, SERVED];

/** A call that was answered, unless it is said otherwise. */
export function aCall(deployment: string, over: Partial<EndedCall> = {}): EndedCall {
  return { deployment, outcome: "answered", status: 200, costNanoUsd: deployment === "alpha/large" ? 1_000 : 1_500, state: "charged", flags: [], totalMs: 700, ...over };
}

/** A request answered by the first candidate, unless it is said otherwise. */
export function aRequest(requestId: string, atMs: number, over: Partial<EndedRequest> = {}, health = "admitting"): EndedRequest {
  const candidates = [{ deployment: "alpha/large", health, bound_nano_usd: 10 }, { deployment: "beta/large", health: "admitting", bound_nano_usd: 15 }];
  return {
    requestId, atMs, route: "support", deployment: "alpha/large", attempts: [aCall("alpha/large")], units: { input: 90, output: 10 }, stream: true, ttftMs: 300, totalMs: 800,
    status: 200, outcome: "ok", errorCode: null, flags: [], decision: { candidates }, ...over,
  };
}

const LOST = { deployment: null, ttftMs: null, totalMs: 500, status: 502, outcome: "error", errorCode: "upstream_error", units: {} } as const;
const FAILED = { outcome: "server", status: 500, costNanoUsd: 200, totalMs: 50 } as const;
const UNREACHED = { outcome: "network", status: null, costNanoUsd: 0, state: "unbilled", totalMs: 50 } as const;

/** The month's requests. */
export function* monthOfRequests(): Generator<EndedRequest> {
  const firstMs = Date.UTC(2026, 9, 5, 10);
  const secondMs = Date.UTC(2026, 9, 20);
  for (let minuteMs = MONTH_MS; minuteMs < MONTH_END_MS; minuteMs += MINUTE_MS) {
    const at = new Date(minuteMs);
    const inFirst = (minuteMs - firstMs) / MINUTE_MS;
    const inSecond = (minuteMs - secondMs) / MINUTE_MS;
    for (const n of [0, 1]) {
      const id = `req_${minuteMs / MINUTE_MS}_${n}`;
      const atMs = minuteMs + 10_000 + n * 20_000;
      if (inFirst >= 0 && inFirst < 30) yield duringFirst(id, atMs, inFirst);
      else if (inSecond >= 0 && inSecond < 10) yield aRequest(id, atMs, { ...LOST, errorCode: "upstream_unreachable", attempts: [aCall("alpha/large", UNREACHED), aCall("beta/large", UNREACHED)] });
      else if (n === 0 && at.getUTCHours() === 15 && at.getUTCMinutes() === 0) yield aRequest(id, atMs, { totalMs: 5_000 });
      else if (n === 0 && at.getUTCHours() === 16 && at.getUTCMinutes() === 0) yield aRequest(id, atMs, { attempts: [aCall("alpha/large"), aCall("beta/large", { outcome: "superseded", costNanoUsd: 300 })] });
      else yield aRequest(id, atMs);
    }
    if (at.getUTCMinutes() === 30) yield aRequest(`req_${minuteMs / MINUTE_MS}_refused`, minuteMs + 1, { ...LOST, status: 402, errorCode: "budget_exceeded", attempts: [] });
  }
}

/** Alpha is down for half an hour: the first five minutes of calls fail, then it rests and is probed in three minutes; in the first two beta fails as well. */
function duringFirst(id: string, atMs: number, minute: number): EndedRequest {
  if (minute < 2) return aRequest(id, atMs, { ...LOST, attempts: [aCall("alpha/large", FAILED), aCall("beta/large", { outcome: "overload", status: 529, costNanoUsd: 0 })] });
  const byBeta = { deployment: "beta/large", attempts: [aCall("beta/large")] };
  if (minute >= 5 && ![10, 20, 29].includes(minute)) return aRequest(id, atMs, byBeta, "resting");
  return aRequest(id, atMs, { ...byBeta, attempts: [aCall("alpha/large", FAILED), aCall("beta/large")] });
}

/** Events of requests, in the order of digests. */
export function eventsOf(requests: Iterable<EndedRequest>, objectives: readonly Objective[] = OBJECTIVES): { readonly minutes: MinuteEvent[]; readonly bad: BadRequest[] } {
  const version = versionOf(objectives, sha256);
  const cells = new Map<string, { readonly event: Omit<MinuteEvent, "counts">; readonly cell: Cell }>();
  const bad: BadRequest[] = [];
  for (const request of requests) {
    const kind = classOf(request);
    const judged = objectives.map((objective) => ({ name: objective.name, verdict: judge(objective, request, kind) }));
    const row = tally(request, { class: kind, version, objectives: judged.map(({ name, verdict }) => ({ name, valid: verdict !== null, good: verdict === "good" })) }, (deployment) => {
      const minuteMs = Math.floor(request.atMs / MINUTE_MS) * MINUTE_MS;
      const name = `${minuteMs} ${request.route} ${deployment}`;
      let found = cells.get(name);
      if (found === undefined) cells.set(name, (found = { event: { minuteMs, route: request.route, deployment, version }, cell: new Map() }));
      return found.cell;
    });
    if (row !== null) bad.push(row);
  }
  const minutes = [...cells.values()].filter(({ cell }) => cell.size > 0).map(({ event, cell }) => ({ ...event, counts: Object.fromEntries(cell) }));
  return { minutes: minutes.toSorted(inOrder), bad };
}
