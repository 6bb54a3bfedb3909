import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isTagName, isTagValue, TagBook } from "./tags.ts";

const DAY_MS = 86_400_000;

describe("tags", () => {
  it("have names and values within bounds, counted in bytes", () => {
    for (const name of ["env", "a", "0", "team.a_b-c", "x".repeat(64)]) assert.equal(isTagName(name), true, name);
    for (const name of ["", "Env", "a b", "-a", "a=b", "a/b", "x".repeat(65)]) assert.equal(isTagName(name), false, name);
    for (const value of ["prod", "a b", "a=b/c", "ü".repeat(32), "x".repeat(64)]) assert.equal(isTagValue(value), true, value);
    for (const value of ["", "x".repeat(65), "ü".repeat(33), "a\nb", "a\u0000"]) assert.equal(isTagValue(value), false, value);
  });

  it("have 10,000 values a day and name, then other; those seen stay themselves, and the next day begins anew", () => {
    const book = new TagBook();
    for (let i = 0; i < 10_000; i++) assert.equal(book.keep("default", "user", `u${i}`, 0).value, `u${i}`);
    assert.deepEqual(book.keep("default", "user", "u10000", 1), { name: "user", value: "other" });
    assert.equal(book.keep("default", "user", "u77", 1).value, "u77");
    assert.equal(book.keep("default", "env", "u10000", 1).value, "u10000");
    assert.equal(book.keep("acme", "user", "u10000", 1).value, "u10000");
    assert.equal(book.keep("default", "user", "u10000", DAY_MS).value, "u10000");
  });

  it("have a hundred names a day in an organisation, then other: names are made up by clients too", () => {
    const book = new TagBook();
    for (let i = 0; i < 100; i++) assert.equal(book.keep("default", `n${i}`, "v", 0).name, `n${i}`);
    assert.deepEqual(book.keep("default", "n100", "v", 0), { name: "other", value: "other" });
    assert.deepEqual(book.keep("default", "n5", "w", 0), { name: "n5", value: "w" });
    assert.deepEqual(book.keep("acme", "n100", "v", 0), { name: "n100", value: "v" });
  });
});
