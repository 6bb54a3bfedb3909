import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fromBase64, toBase64 } from "./base64.ts";

test("bytes become what the platform makes of them, and come back from either alphabet, padded or not", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      const text = toBase64(bytes);
      assert.equal(text, Buffer.from(bytes).toString("base64"));
      for (const form of [text, text.replace(/=+$/, ""), Buffer.from(bytes).toString("base64url")]) assert.deepEqual(fromBase64(form), bytes);
    }),
  );
});

test("what is no base64 is told from what is", () => {
  for (const text of ["a:b", "ä", "a b"]) assert.equal(fromBase64(text), undefined);
});
