import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { utf8Length } from "./lane.ts";

test("the length of a text in UTF-8 is that of its encoding, pairs, halves and all", () => {
  const encoder = new TextEncoder();
  const halves = fc.array(fc.constantFrom("a", "é", "€", "\u{1f600}", "\ud83d", "\ude00", "\udfff", "\ud800")).map((all) => all.join(""));
  fc.assert(fc.property(fc.oneof(halves, fc.string({ unit: "binary" })), (text) => assert.equal(utf8Length(text), encoder.encode(text).length)), { numRuns: 2_000 });
});
