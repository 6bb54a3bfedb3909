/** October 2026 as it may have been, for tests: two requests a minute, two incidents, and what else a month has. */
import { createHash } from "node:crypto";
import { classOf } from "../objective/judge.ts";
import type { Objective } from "../objective/types.ts";
import { inOrder, scopedVersionOf, versionOf, type NewHash } from "./canonical.ts";
import { judgedBy } from "./judged.ts";
import { scopedRow, tally, tallyRefused, type Cell, type EndedCall, type EndedRequest } from "./tally.ts";
import { MINUTE_MS, type BadRequest, type MinuteEvent, type ScopedPromise } from "./types.ts";

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

/** A promise to whoever asked, and which requests are in its scopes. */
export interface TestPromise extends ScopedPromise {
  readonly id: string;
  readonly takes: (request: EndedRequest) => boolean;
}

/** Events of requests, in the order of digests. Those without a route were refused before it was known. */
export function eventsOf(requests: Iterable<EndedRequest>, objectives: readonly Objective[] = OBJECTIVES, promises: readonly TestPromise[] = []): { readonly minutes: MinuteEvent[]; readonly scopeMinutes: MinuteEvent[]; readonly bad: BadRequest[] } {
  const version = versionOf(objectives, sha256);
  const own = new Cells();
  const scoped = new Cells();
  const bad: BadRequest[] = [];
  for (const request of requests) {
    const kind = classOf(request);
    if (request.route === "") tallyRefused(request, kind, own.of(request, "", "")(""), []);
    const row = request.route === "" ? null : tally(request, judgedBy(version, objectives, request), own.of(request, request.route, version));
    const rows = promises.filter(({ takes }) => takes(request)).flatMap((promise) => {
      const { id, scopes, objectives: promised } = promise;
      const judged = judgedBy(scopedVersionOf(id, { scopes, objectives: promised }, sha256), promised, request);
      const cellOf = scoped.of(request, id, judged.version);
      if (request.route === "") tallyRefused(request, kind, cellOf(""), judged.objectives.flatMap(({ name, valid, good }) => (valid && !good ? [name] : [])));
      const found = request.route === "" ? null : tally(request, judged, cellOf);
      return found === null ? [] : [{ id, row: found }];
    });
    const told = scopedRow(row, version, rows);
    if (told !== null) bad.push(told);
  }
  return { minutes: own.events(), scopeMinutes: scoped.events(), bad };
}

class Cells {
  readonly #cells = new Map<string, { readonly event: Omit<MinuteEvent, "counts">; readonly cell: Cell }>();

  of({ atMs }: EndedRequest, route: string, version: string): (deployment: string) => Cell {
    return (deployment) => {
      const minuteMs = Math.floor(atMs / MINUTE_MS) * MINUTE_MS;
      const name = `${minuteMs} ${route} ${deployment}`;
      let found = this.#cells.get(name);
      if (found === undefined) this.#cells.set(name, (found = { event: { minuteMs, route, deployment, version }, cell: new Map() }));
      return found.cell;
    };
  }

  events(): MinuteEvent[] {
    const filled = [...this.#cells.values()].filter(({ cell }) => cell.size > 0);
    return filled.map(({ event, cell }) => ({ ...event, counts: Object.fromEntries(cell) })).toSorted(inOrder);
  }
}
