import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DEFAULT_CLOCKS, type Route } from "../decide/deployment.ts";
import type { Caller } from "../ports.ts";
import { turnedAway } from "./importance.ts";

function route(importance?: Route["importance"]): Route {
  return { name: "support", candidates: [], strategy: "priority", clocks: DEFAULT_CLOCKS, keepalive: true, forwardHeaders: [], defaultMaxOutput: 1, automatic: false, ...(importance === undefined ? {} : { importance }) };
}
interface Of {
  readonly importance?: Route["importance"];
  readonly key?: Caller["importance"];
  readonly header?: string;
  readonly inFlight?: number;
  readonly refuseLow?: boolean;
}

function away(of: Of): ReturnType<typeof turnedAway> {
  const load = () => ({ inFlight: of.inFlight ?? 0, room: 100, waiting: { high: 0, normal: 0, low: 0 }, refuseLow: of.refuseLow ?? false });
  const caller: Caller = { tenant: "default", key: "app", scopes: [], ...(of.key === undefined ? {} : { importance: of.key }) };
  return turnedAway({ load }, { caller, header: (name) => (name === "x-spillway-importance" ? of.header : undefined) }, route(of.importance));
}
function code(of: Of): string {
  return away(of)?.error.code ?? "taken";
}

describe("a request", () => {
  it("of low importance is refused while others still find room, and one of the others never for it", () => {
    assert.deepEqual([69, 70, 99].map((inFlight) => code({ importance: "low", inFlight })), ["taken", "low_importance", "low_importance"]);
    assert.deepEqual([undefined, "normal", "high"].map((importance) => code({ importance: importance as Route["importance"], inFlight: 99 })), ["taken", "taken", "taken"]);
  });

  it("of low importance is refused where its route's error budget is used up and says so", () => {
    assert.deepEqual([code({ importance: "low", refuseLow: true }), code({ refuseLow: true })], ["low_importance", "taken"]);
    const retry = (more: Of): boolean | undefined => away({ importance: "low", ...more })?.error.retry;
    assert.deepEqual([retry({ refuseLow: true }), retry({ inFlight: 80 })], [false, true], "SDKs try again where room comes back, and do not wait for an error budget");
  });

  it("may call itself less important than its route, and no more", () => {
    assert.equal(code({ header: "low", inFlight: 80 }), "low_importance");
    assert.equal(code({ importance: "low", header: "high", inFlight: 80 }), "low_importance");
    assert.equal(code({ header: "urgent" }), "invalid_header");
  });

  it("matters no more than its key, whatever its route and its header say, and no more than its route by any key", () => {
    assert.deepEqual([undefined, "low", "normal", "high"].map((header) => code({ key: "low", importance: "high", inFlight: 80, ...(header === undefined ? {} : { header }) })), Array.from({ length: 4 }, () => "low_importance"));
    assert.deepEqual([code({ key: "high", importance: "low", inFlight: 80 }), code({ key: "high", inFlight: 80 }), code({ key: "normal", header: "low", inFlight: 80 })], ["low_importance", "taken", "low_importance"]);
  });
});
