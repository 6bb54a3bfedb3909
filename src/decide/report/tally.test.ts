import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { tally, type Cell, type EndedCall, type EndedRequest } from "./tally.ts";

const call = (deployment: string, outcome: string, flags: readonly string[] = []): EndedCall => ({ deployment, outcome, status: null, costNanoUsd: 5, state: "charged", flags, totalMs: 10 });

/** Counts by deployment of a request with these calls; of the last, if `answered`. */
function counted(attempts: readonly EndedCall[], answered: boolean): Record<string, Record<string, number>> {
  const cells = new Map<string, Cell>();
  const request: EndedRequest = {
    requestId: "r", atMs: 0, route: "support", deployment: answered ? (attempts.at(-1)?.deployment ?? null) : null, attempts, status: answered ? 200 : 504, decision: {},
    stream: false, outcome: answered ? "ok" : "error", errorCode: answered ? null : "deadline_exceeded", flags: [], ttftMs: null, totalMs: 20, units: {},
  };
  tally(request, { version: "", class: answered ? "ok" : "failed", objectives: [] }, (deployment) => {
    const cell = cells.get(deployment) ?? new Map<string, number>();
    cells.set(deployment, cell);
    return cell;
  });
  return Object.fromEntries(Array.from(cells, ([deployment, cell]) => [deployment, Object.fromEntries(cell)]));
}

describe("calls of a finished request", () => {
  it("that failed by their provider are laid to it: lost, saved, and what they cost", () => {
    const lost = counted([call("a", "timeout")], false);
    assert.deepEqual([lost["a"]?.["lost"], lost["a"]?.["call:timeout"], lost["a"]?.["bad_calls"]], [1, 1, 1]);
    const saved = counted([call("a", "timeout"), call("b", "answered")], true);
    assert.deepEqual([saved["a"]?.["saved"], saved["a"]?.["failed_cost"], saved["b"]?.["call:answered"]], [1, 5, 1]);
  });

  it("that came to nothing by the client's deadline or our end are laid to nobody", () => {
    const lost = counted([call("a", "timeout", ["not_the_provider"])], false);
    assert.deepEqual(lost["a"], { "call:not_the_provider": 1, cost: 5 });
    assert.equal(lost[""]?.["lost"], 1);
    const saved = counted([call("a", "timeout", ["not_the_provider"]), call("b", "answered")], true);
    assert.equal(saved["a"]?.["saved"], undefined);
  });
});
