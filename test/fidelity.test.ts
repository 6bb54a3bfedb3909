/**
 * The fidelity matrix: every feature of requests and answers, on every surface over every upstream dialect. What must
 * become of each stands in `fidelity.expected.json`, written by hand; the page in docs is the record of the run.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { before, describe, it } from "node:test";
import fc from "fast-check";
import { surfacesOf } from "./fidelity/expected.ts";
import { ANSWER_FEATURES, featureOf, REQUEST_FEATURES, type RequestFeature } from "./fidelity/features.ts";
import { Gateway } from "./fidelity/gateway.ts";
import { written } from "./fidelity/judge-answers.ts";
import { disagreements, PAGE, runMatrix, type MatrixRun } from "./fidelity/matrix.ts";
import { meaning, PAIRS, requestsFor, roundTrip } from "./fidelity/roundtrip.ts";
import { SURFACES } from "./fidelity/surfaces/index.ts";
import { DIALECTS, targetFor } from "./fidelity/targets.ts";
import { PLACES } from "./fidelity/upstreams/index.ts";

let run: MatrixRun;

before(async () => {
  run = await runMatrix();
});

describe("the expectation", () => {
  it("knows each feature that is asked, and no other", () => {
    assert.deepEqual(Object.keys(run.expected.requests).toSorted(), Object.keys(REQUEST_FEATURES).toSorted());
    assert.deepEqual(Object.keys(run.expected.answers).toSorted(), Object.keys(ANSWER_FEATURES).toSorted());
  });

  it("gives a reason wherever something is not carried between two protocols", () => {
    const bare = run.cells.filter(({ expected }) => expected.word !== "carried" && expected.word !== "n-a" && expected.note === null);
    assert.deepEqual(bare.map(({ key, spec, dialect }) => `${key}: ${spec.surface} > ${dialect}`), []);
  });

  it("has no reason that is never given", () => {
    const given = new Set(run.cells.map(({ expected }) => expected.note));
    assert.deepEqual(Object.keys(run.expected.notes).filter((note) => !given.has(note)), []);
  });

  it("asks of a surface all that its clients can write, and nothing else", () => {
    for (const spec of SURFACES) {
      const twoTurns = spec.replay === undefined ? [] : ["signed-replay", "redacted-replay", "foreign-state"];
      const named = Object.entries(run.expected.requests).filter(([, feature]) => surfacesOf(feature).includes(spec.surface)).map(([key]) => key);
      const asked = new Set([...Object.keys(spec.asks), ...twoTurns.filter((key) => named.includes(key))]);
      assert.deepEqual([...asked].toSorted(), named.toSorted(), spec.surface);
    }
  });
});

describe("the run", () => {
  it("loses nothing", () => {
    assert.deepEqual(run.cells.filter(({ found }) => found.word.includes("lost")).map(({ key, spec, dialect }) => `${key}: ${spec.surface} > ${dialect}`), []);
  });

  for (const { surface } of SURFACES) {
    it(`is as expected on ${surface}`, () => {
      assert.deepEqual(disagreements(run.cells.filter(({ spec }) => spec.surface === surface)), []);
    });
  }

  it("finds in no request what was not asked", async () => {
    const answer = { choices: [[{ kind: "text", text: "zq" }]], finish: "stop" } as const;
    const found: string[] = [];
    for (const spec of SURFACES) {
      for (const dialect of DIALECTS) {
        for (const [key, place] of Object.entries(PLACES[dialect])) {
          const target = targetFor(dialect, featureOf(key as RequestFeature).profile ?? "plain");
          if (target === null || place.native === undefined) continue;
          const { sent } = await new Gateway().ask(spec.surface, spec.base, target, written(answer, dialect));
          if (sent[0] === undefined || place.native(sent[0])) found.push(`${key}: ${spec.surface} > ${dialect}`);
        }
      }
    }
    assert.deepEqual(found, []);
  });

  it("is what docs/fidelity.md shows", () => {
    assert.equal(run.page, readFileSync(PAGE, "utf8"), "write it anew with: node scripts/fidelity-doc.ts");
  });
});

describe("a request that both protocols of a pair can carry means the same at the end", () => {
  for (const pair of PAIRS) {
    it(`${pair.surface} > ${pair.dialect}`, () => {
      fc.assert(fc.property(requestsFor(pair), (request) => assert.deepEqual(meaning(roundTrip(request, pair)), meaning(request))), { numRuns: 60 });
    });
  }
});
