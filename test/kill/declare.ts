/** The test that the short and the long run share. KILL_SEED repeats a run's choices, KILL_ROUNDS its length. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { checkKillOutcome } from "./check.ts";
import { runKillRounds } from "./rounds.ts";

/** Register the test with so many rounds. */
export function testKills(usualRounds: number): void {
  const rounds = Number(process.env["KILL_ROUNDS"] ?? usualRounds);
  const seed = Number(process.env["KILL_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
  test(`${rounds} gateways killed under load leave one row for every upstream call and one charge for every finished answer (KILL_SEED=${seed})`, async (t) => {
    const dataDir = mkdtempSync(join(tmpdir(), "spillway-kill-rounds-"));
    try {
      const figures = checkKillOutcome(await runKillRounds({ rounds, seed, dataDir }));
      t.diagnostic(JSON.stringify(figures));
      // Else too little was tried.
      assert.ok(figures.finished > rounds * 5 && figures.orphans > rounds * 2);
      if (rounds >= 40) assert.ok(figures.orphansWithProgress > 0);
    } finally {
      rmSync(dataDir, { recursive: true, force: true });
    }
  });
}
