import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import type { Budget } from "../decide/budget/types.ts";
import { openLog } from "../edge/log.ts";
import { JoinedCopy, withTheirs } from "./joined-copy.ts";

const budget = (id: string, more: Partial<Budget> = {}): Budget => ({
  id, scopes: ["tenant/default"], period: "day", timeZone: "UTC", limitNanoUsd: 1_000, kind: "hard", alertsAtPermille: [800], cheaperFromPermille: null, ...more,
});
const URL = "http://127.0.0.1:8485";
const folder = mkdtempSync(join(tmpdir(), "spillway-copy-"));
after(() => rmSync(folder, { recursive: true, force: true }));

describe("what is kept of an authority", () => {
  it("is there after a restart, for that authority alone, and is written where it changed", () => {
    const path = join(folder, "a.json");
    const open = (url: string): JoinedCopy => new JoinedCopy(path, url, openLog("off"));
    const copy = open(URL);
    assert.deepEqual([copy.known, copy.budgets], [false, null]);
    assert.deepEqual([copy.take([]), copy.take([budget("a")]), copy.take([budget("a")])], [true, true, false]);
    assert.deepEqual([open(URL).known, open(URL).budgets], [true, [budget("a")]]);
    assert.deepEqual([open("http://other:1").known, open("http://other:1").budgets], [false, null]);
  });

  it("is nothing where it is cut off, or of a version that kept no budgets", () => {
    const path = join(folder, "b.json");
    new JoinedCopy(path, URL, openLog("off")).take([budget("a")]);
    for (const text of [readFileSync(path, "utf8").slice(0, 60), JSON.stringify({ authority: URL }), JSON.stringify({ authority: URL, budgets: [{ id: "a" }] })]) {
      writeFileSync(path, text);
      assert.equal(new JoinedCopy(path, URL, openLog("off")).known, false, text);
    }
  });
});

describe("budgets of one's own file beside the authority's", () => {
  it("are the authority's where both have them; others bind too, and are named", () => {
    const own = [budget("same", { limitNanoUsd: 5 }), budget("differs", { period: "week" }), budget("alone"), budget("soft", { kind: "soft" }), budget("each", { period: "request" })];
    const { budgets, ungranted } = withTheirs(own, [budget("same"), budget("differs"), budget("theirs")]);
    assert.deepEqual(budgets.map(({ id, period, limitNanoUsd }) => [id, period, limitNanoUsd]), [
      ["same", "day", 1_000], ["differs", "day", 1_000], ["theirs", "day", 1_000], ["differs (here)", "week", 1_000], ["alone", "day", 1_000], ["soft", "day", 1_000], ["each", "request", 1_000],
    ]);
    assert.deepEqual(ungranted, ["differs (here)", "alone"]);
  });

  it("are as they stand where none was joined", () => {
    const own = [budget("a")];
    assert.deepEqual(withTheirs(own, null), { budgets: own, ungranted: [] });
  });
});
