import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { Json } from "../../../wire/json.ts";
import { parsePath, partialArguments } from "./partial-arguments.ts";

function put(...pieces: Json[]): string | undefined {
  const args = partialArguments();
  return pieces.every((piece) => args.apply(piece)) ? args.toJson() : undefined;
}
function piece(jsonPath: string, stringValue: string, willContinue = false): Json {
  return willContinue ? { jsonPath, stringValue, willContinue } : { jsonPath, stringValue };
}

describe("paths", () => {
  test("names, indexes and quoted keys", () => {
    assert.deepEqual(parsePath("$.a.b-c[0][12].d"), ["a", "b-c", 0, 12, "d"]);
    assert.deepEqual(parsePath("$['a b']['it\\'s'][\"x\"]"), ["a b", "it's", "x"]);
  });
  test("what is no path into an object is none", () => {
    for (const path of ["", "$", "a", "$.", "$..a", "$[0]", "$.a[", "$.a[-1]", "$.a[*]", "$.a[9999999999]", `$${".a".repeat(65)}`]) assert.equal(parsePath(path), undefined, path);
  });
});

describe("pieces", () => {
  test("a string goes on while its piece says so, and is set anew otherwise", () => {
    assert.equal(put(piece("$.a", "New ", true), piece("$.a", "York", true), piece("$.a", "")), '{"a":"New York"}');
    assert.equal(put(piece("$.a", "one"), piece("$.a", "two")), '{"a":"two"}');
    assert.equal(put(piece("$.a", "x", true), piece("$.b", "y"), piece("$.a", "z")), '{"a":"z","b":"y"}');
  });
  test("numbers, booleans and null keep their type", () => {
    assert.equal(put({ jsonPath: "$.n", numberValue: 0.5 }, { jsonPath: "$.b", boolValue: false }, { jsonPath: "$.z", nullValue: "NULL_VALUE" }, { jsonPath: "$.y", nullValue: null }), '{"n":0.5,"b":false,"z":null,"y":null}');
  });
  test("objects and arrays grow as paths need them, gaps become null", () => {
    assert.equal(put(piece("$.a[0].x", "1"), piece("$.a[2]", "3"), piece("$.m[0][1]", "n")), '{"a":[{"x":"1"},null,"3"],"m":[[null,"n"]]}');
  });
  test("no key means anything to the language", () => {
    assert.equal(put(piece("$.__proto__.polluted", "x"), piece("$.constructor", "y")), '{"__proto__":{"polluted":"x"},"constructor":"y"}');
    assert.equal(({} as { polluted?: string }).polluted, undefined);
  });
  test("what contradicts itself or leaps is refused", () => {
    assert.equal(put(piece("$.a", "x"), piece("$.a.b", "y")), undefined);
    assert.equal(put(piece("$.a[0]", "x"), piece("$.a.b", "y")), undefined);
    assert.equal(put(piece("$.a[1000000]", "x")), undefined);
    assert.equal(put({ stringValue: "x" }), undefined);
  });
  test("any JSON object taken apart into paths comes together again", () => {
    const key = fc.string({ unit: "grapheme", minLength: 1, maxLength: 6 });
    const leaf = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null));
    const { tree } = fc.letrec<{ tree: Json }>((tie) => ({
      tree: fc.oneof({ depthSize: "small" }, leaf, fc.array(tie("tree"), { minLength: 1, maxLength: 4 }), fc.dictionary(key, tie("tree"), { minKeys: 1, maxKeys: 4 })),
    }));
    fc.assert(fc.property(fc.dictionary(key, tree, { minKeys: 1, maxKeys: 4 }), (object) => {
      const json = put(...takeApart(object as Json, "$"));
      assert.deepEqual(JSON.parse(json ?? "null"), JSON.parse(JSON.stringify(object)));
    }));
  });
});

/** The pieces that a backend would send for a value, strings in two halves. */
function takeApart(value: Json, path: string): Json[] {
  if (typeof value === "string") {
    const middle = value.length >> 1;
    return [piece(path, value.slice(0, middle), true), piece(path, value.slice(middle), true), piece(path, "")];
  }
  if (typeof value === "number") return [{ jsonPath: path, numberValue: value }];
  if (typeof value === "boolean") return [{ jsonPath: path, boolValue: value }];
  if (value === null) return [{ jsonPath: path, nullValue: "NULL_VALUE" }];
  if (Array.isArray(value)) return (value as Json[]).flatMap((item, i) => takeApart(item, `${path}[${i}]`));
  return Object.entries(value).flatMap(([key, item]) => takeApart(item as Json, `${path}['${key.replace(/['\\]/g, "\\$&")}']`));
}
