import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { didYouMean, editDistance, nearestNames } from "./nearest.ts";

describe("edit distance", () => {
  it("counts inserts, deletes, replacements and swaps of neighbours as one each", () => {
    const cases: readonly (readonly [string, string, number])[] = [
      ["", "", 0], ["abc", "abc", 0], ["abc", "abcd", 1], ["abcd", "acd", 1], ["abc", "abx", 1], ["routes", "rotues", 1], ["kitten", "sitting", 3],
    ];
    for (const [from, to, expected] of cases) assert.equal(editDistance(from, to, 5), expected, `${from} → ${to}`);
  });

  it("stops at its limit", () => {
    assert.equal(editDistance("kitten", "sitting", 2), 3);
    assert.equal(editDistance("a", "abcdefgh", 2), 3);
  });
});

describe("nearest names", () => {
  it("puts the fewest edits first, whatever the letter case", () => {
    assert.deepEqual(nearestNames("GPT-4o-mni", ["gpt-4o", "gpt-4o-mini", "claude"]), ["gpt-4o-mini", "gpt-4o"]);
  });

  it("looks past the provider in front", () => {
    assert.deepEqual(nearestNames("big-modle", ["acme/big-model", "acme/other"]), ["acme/big-model"]);
  });

  it("finds a name cut short", () => {
    assert.deepEqual(nearestNames("claude-sonnet", ["claude-sonnet-4-5-20250929", "gpt"]), ["claude-sonnet-4-5-20250929"]);
  });

  it("finds nothing for nonsense, nothing, or names too long to compare", () => {
    assert.deepEqual(nearestNames("zzzzzzzzz", ["gpt-4o", "claude"]), []);
    assert.deepEqual(nearestNames("", ["a"]), []);
    assert.deepEqual(nearestNames("a".repeat(200), ["a".repeat(199)]), []);
  });

  it("reads as a question", () => {
    assert.equal(didYouMean([]), "");
    assert.equal(didYouMean(["a"]), "; did you mean a?");
    assert.equal(didYouMean(["a", "b", "c"]), "; did you mean a, b or c?");
  });
});
