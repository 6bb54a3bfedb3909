/**
 * The fault matrix on every streaming surface: the same faults, the same table of what must come out, read off the wire by
 * each protocol's own rules. What is expected of a fault does not depend on who asks.
 */
import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { readExpected, surfaceCells } from "./fault-matrix/cells.ts";
import { judge, type Judged } from "./fault-matrix/findings.ts";
import { disagreements } from "./fault-matrix/matrix.ts";
import { SURFACES } from "./fault-matrix/surface-client.ts";
import { runCells } from "./fault-matrix/world.ts";

const expected = readExpected();

for (const surface of SURFACES) {
  describe(`faults of streams on ${surface}`, () => {
    let judged: readonly Judged[];

    before(async () => {
      const cells = surfaceCells(expected, surface);
      judged = judge(cells, await runCells(cells));
    });

    it("come to what the table expects of them, fault by fault, dialect by dialect", () => {
      assert.ok(judged.length >= 200, `${judged.length} cells`);
      assert.deepEqual(disagreements({ expected, judged }), []);
    });

    it("are told alike by client, record, ledger and the provider's bill", () => {
      assert.deepEqual(judged.flatMap(({ cell, contradictions }) => contradictions.map((one) => `${cell.id}: ${one}`)), []);
    });
  });
}
