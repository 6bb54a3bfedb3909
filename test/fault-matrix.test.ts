/**
 * The fault matrix: every fault, as JSON and as a stream, from every upstream dialect, with a fallback of the same and of
 * another one. What must come out stands in `fault-matrix.expected.json`, written by hand; the page in docs is its record.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { before, describe, it } from "node:test";
import { expectedOf, reasonWithout } from "./fault-matrix/cells.ts";
import { DIALECTS, FAULTS, FORMS } from "./fault-matrix/faults.ts";
import { disagreements, PAGE, runMatrix, type MatrixRun } from "./fault-matrix/matrix.ts";
import { faultyProvider } from "./fault-matrix/world.ts";

let run: MatrixRun;

before(async () => {
  run = await runMatrix();
});

describe("the expected table", () => {
  it("and the faults that are played name each other", () => {
    assert.deepEqual(Object.keys(run.expected.faults).toSorted(), FAULTS.map((row) => row.key).toSorted());
  });

  it("gives each form at least 16 faults, and a reason for each that it lacks", () => {
    for (const form of FORMS) {
      const reasons = FAULTS.map((row) => reasonWithout(run.expected, row.key, form)).filter((reason) => reason !== null);
      assert.ok(FAULTS.length - reasons.length >= 16, `${form} has ${FAULTS.length - reasons.length} faults`);
      assert.ok(reasons.every((reason) => reason.length >= 10));
    }
  });

  it("lets a fault cost the client something only where the answer had begun, or the client was at fault", () => {
    const rows = new Set(run.cells.filter((cell) => expectedOf(run.expected, cell).answer !== "complete").map((cell) => cell.row));
    for (const row of rows) assert.ok(row.group === "after content" || run.expected.faults[row.key]?.blame === "none", row.key);
  });
});

describe("every cell comes to what is expected", () => {
  for (const row of FAULTS) {
    it(`${row.group}: ${row.title} (${row.key})`, () => {
      const judged = run.judged.filter(({ cell }) => cell.row === row);
      assert.deepEqual(disagreements({ expected: run.expected, judged }), []);
      // Client, record, ledger and the fleet's bill tell the same story.
      assert.deepEqual(judged.flatMap(({ cell, contradictions }) => contradictions.map((one) => `${cell.id}: ${one}`)), []);
    });
  }
});

describe("in total", () => {
  it("each upstream call has exactly one row, and each row but of calls that could not arrive has one call", () => {
    const attempts = run.evidence.requests.flatMap((request) => request.attempts.map((one) => one.attemptId));
    assert.equal(new Set(attempts).size, attempts.length);
    const calls = run.evidence.bill.map((row) => row.client_request_id);
    assert.equal(new Set(calls).size, calls.length);
    assert.deepEqual(calls.filter((id) => id === null || !attempts.includes(id)), []);
    const unarrived = run.cells.filter((cell) => cell.row.key === "connection-refused" || cell.row.key === "reset-on-accept");
    assert.equal(attempts.length - calls.length, unarrived.length);
  });

  it("the faulty provider was called even where no call could arrive", () => {
    const perProvider = FORMS.length * 2;
    for (const dialect of DIALECTS) {
      assert.ok(run.evidence.shut.has(faultyProvider("connection-refused", dialect)), "somebody listens");
      assert.equal(run.evidence.refusedConnections[faultyProvider("reset-on-accept", dialect)], perProvider);
    }
  });

  it("the client and our own records count the same errors", () => {
    const expected = run.cells.filter((cell) => expectedOf(run.expected, cell).answer !== "complete").map((cell) => cell.id);
    const atClient = [...run.evidence.seen].filter(([, seen]) => seen.told.error !== null).map(([id]) => id);
    const inRecords = run.evidence.requests.filter((request) => request.record?.outcome !== "ok").map((request) => request.record?.route ?? "");
    assert.deepEqual(atClient.toSorted(), expected.toSorted());
    assert.deepEqual(inRecords.toSorted(), expected.toSorted());
  });

  it("docs/fault-matrix.md shows this run", () => {
    assert.equal(run.page, readFileSync(PAGE, "utf8"), "write it anew with: node scripts/fault-matrix.ts");
  });
});
