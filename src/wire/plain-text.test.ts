import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isPlainText, plainText } from "./plain-text.ts";

describe("a plain text", () => {
  it("has nothing in it that a terminal obeys, or that turns the direction of writing", () => {
    for (const text of ["", "a b", "naïve 東京 שלום 🙂", "a\u00a0b", "a\u200db"]) assert.deepEqual([isPlainText(text), plainText(text)], [true, text]);
    for (const bad of ["\u0000", "\t", "\n", "\r", "\u001b", "\u007f", "\u0085", "\u009b", "\u2028", "\u2029", "\u202e", "\u2066"]) {
      assert.equal(isPlainText(`a${bad}b`), false, JSON.stringify(bad));
      assert.equal(plainText(`${bad}a${bad}b`), "\ufffda\ufffdb");
    }
  });
});
