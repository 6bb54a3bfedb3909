import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { matchesBounded } from "./bounded-pattern.ts";
import type { Json, JsonObject } from "./json.ts";
import { checkSchema } from "./json-schema.ts";

const PERSON: JsonObject = {
  type: "object",
  properties: {
    name: { type: "string", minLength: 1 },
    age: { type: "integer", minimum: 0, maximum: 150 },
    tags: { type: "array", items: { enum: ["a", "b"] }, maxItems: 2 },
    parent: { anyOf: [{ $ref: "#" }, { type: "null" }] },
    code: { type: "string", pattern: "^[A-Z]{3}-\\d{4}$" },
  },
  required: ["name", "age"],
  additionalProperties: false,
};

describe("a value", () => {
  const ROWS: readonly (readonly [value: Json, problems: readonly string[]])[] = [
    [{ name: "x", age: 3 }, []],
    [{ name: "x", age: 3, tags: ["a", "b"], parent: { name: "y", age: 40, parent: null }, code: "ABC-1234" }, []],
    ["x", ["$: must be an object, not a string"]],
    [[], ["$: must be an object, not an array"]],
    [{ name: "", age: 3 }, ["$.name: must have at least 1 characters, not 0"]],
    [{ name: "x" }, ['$: lacks "age"']],
    [{ name: "x", age: 1.5 }, ["$.age: must be an integer, not a number"]],
    [{ name: "x", age: 200 }, ["$.age: must be at most 150, not 200"]],
    [{ name: "x", age: 3, more: 1 }, ['$: may not have "more"']],
    [{ name: "x", age: 3, tags: ["a", "c", "b"] }, ['$.tags[1]: must be one of ["a","b"], not "c"', "$.tags: must have at most 2 items, not 3"]],
    [{ name: "x", age: 3, parent: { name: "y" } }, ["$.parent: fits none of the allowed forms"]],
    [{ name: "x", age: 3, code: "abc-1" }, ['$.code: must match "^[A-Z]{3}-\\\\d{4}$"']],
    [JSON.parse('{"name":"x","age":3,"__proto__":1}') as Json, ['$: may not have "__proto__"']],
  ];
  for (const [value, problems] of ROWS) it(`${JSON.stringify(value)} ${problems.length === 0 ? "fits" : "is told what is wrong"}`, () => assert.deepEqual(checkSchema(PERSON, value), { problems, unchecked: [] }));

  it("is checked against definitions, by escaped pointers too", () => {
    const schema = { $ref: "#/$defs/a~1b%20c", $defs: { "a/b c": { const: { x: [1, null], y: "z" } } } };
    assert.deepEqual(checkSchema(schema, { y: "z", x: [1, null] }).problems, []);
    assert.equal(checkSchema(schema, { y: "z", x: [null, 1] }).problems.length, 1);
  });

  it("gets at most ten problems", () => assert.equal(checkSchema({ items: { type: "string" } }, Array.from({ length: 50 }, (_, i) => i)).problems.length, 10));
});

describe("what is not looked at", () => {
  it("is said: keywords that are not known, references to elsewhere, patterns that might take too long", () => {
    assert.deepEqual(checkSchema({ if: { type: "string" }, unevaluatedItems: false }, 1), { problems: [], unchecked: ["if", "unevaluatedItems"] });
    assert.deepEqual(checkSchema({ $ref: "https://x.example/schema" }, 1).unchecked, ['$ref "https://x.example/schema"']);
    assert.deepEqual(checkSchema({ pattern: "^(a+)+$" }, "aaaa"), { problems: [], unchecked: ["pattern"] });
  });

  it("proves nothing: not even that a value is what it must not be", () => {
    assert.deepEqual(checkSchema({ not: { pattern: "^(a+)+$" } }, "aaaa"), { problems: [], unchecked: ["pattern"] });
    assert.deepEqual(checkSchema({ oneOf: [{ pattern: "^(a+)+$" }, { minLength: 1 }] }, "aaaa").problems, []);
  });

  it("is what has no end: a reference to itself, a value that nests for ever, an answer without measure", () => {
    assert.equal(checkSchema({ $ref: "#" }, 1).unchecked.length, 1);
    const nested = JSON.parse(`${"[".repeat(50_000)}${"]".repeat(50_000)}`) as Json;
    assert.equal(checkSchema({ items: { $ref: "#" } }, nested).unchecked.length, 1);
    const branching = { anyOf: Array.from({ length: 8 }, () => ({ items: { $ref: "#" } })) };
    const started = performance.now();
    checkSchema(branching, JSON.parse(`${"[".repeat(100)}1${"]".repeat(100)}`) as Json);
    assert.ok(performance.now() - started < 5_000);
  });
});

describe("a pattern of a stranger", () => {
  it("is tried where its ways are few", () => {
    const ROWS: readonly (readonly [pattern: string, text: string, matches: boolean])[] = [
      ["^\\d{4}-\\d{2}-\\d{2}$", "2026-11-23", true], ["^\\d{4}-\\d{2}-\\d{2}$", "2026-11-2", false], ["^[^@]+@[^@]+\\.[a-z]{2,}$", "a@b.example", true], ["^(foo|bar)baz?$", "barba", true], ["^(?:\\d{3}-)?\\d{4}$", "555-1234", true], ["^(?<y>\\d\\d)+$", "2026", true], ["[a\\]b]{2}", "]b", true],
    ];
    for (const [pattern, text, matches] of ROWS) assert.equal(matchesBounded(pattern, text), matches, pattern);
  });

  it("is not tried where it might take for ever, looks around or back, or is none", () => {
    for (const pattern of ["^(a+)+$", "^(a|a)*$", "(a*)*b", "^(\\w+\\s?)*$", `${"a?".repeat(40)}${"a".repeat(40)}`, "(.*)\\1", "(?=a)b", "(?<!a)b", "x".repeat(600), "a*a*a*a*b", "((((a?){9})?){9})", "("]) {
      assert.equal(matchesBounded(pattern, "a".repeat(200)), null, pattern);
    }
  });

  it("never keeps the process busy, whatever it is", () => {
    const token = fc.constantFrom("a", "b", ".", "\\w", "[ab]", "(", "(?:", ")", "|", "*", "+", "?", "{2}", "{1,}", "{0,9}", "^", "$");
    fc.assert(
      fc.property(fc.array(token, { maxLength: 24 }), fc.integer({ min: 0, max: 400 }), (tokens, length) => {
        const started = performance.now();
        matchesBounded(tokens.join(""), `${"a".repeat(length)}!`);
        return performance.now() - started < 1_500;
      }),
      { numRuns: 3_000 },
    );
  });
});

describe("a library of others", () => {
  const leaf = fc.oneof(
    fc.record({ type: fc.constantFrom("string", "number", "integer", "boolean", "null", "object", "array") }),
    fc.record({ enum: fc.uniqueArray(fc.oneof(fc.integer({ min: 0, max: 3 }), fc.constantFrom("a", "b", null, true)), { minLength: 1, maxLength: 3 }) }),
    fc.record({ const: fc.oneof(fc.constantFrom("a", 1, null), fc.constant({ a: 1 }), fc.constant([1])) }),
    fc.record({ minimum: fc.integer({ min: -2, max: 2 }), exclusiveMaximum: fc.integer({ min: 1, max: 4 }) }),
    fc.record({ minLength: fc.nat(2), maxLength: fc.nat(4) }),
    fc.record({ multipleOf: fc.constantFrom(1, 2, 0.5) }),
    fc.constant({ $ref: "#/$defs/d" }),
  );
  const schemas = fc.letrec((tie) => ({
    schema: fc.oneof(
      { maxDepth: 4 },
      leaf,
      fc.record({ properties: fc.dictionary(fc.constantFrom("a", "b", "c"), tie("schema")), required: fc.subarray(["a", "b"]), additionalProperties: fc.oneof(fc.boolean(), tie("schema")) }, { requiredKeys: [] }),
      fc.record({ items: tie("schema"), minItems: fc.nat(2), maxItems: fc.nat(3) }, { requiredKeys: [] }),
      fc.record({ prefixItems: fc.array(tie("schema"), { minLength: 1, maxLength: 2 }), items: tie("schema") }),
      fc.record({ anyOf: fc.array(tie("schema"), { minLength: 1, maxLength: 3 }) }),
      fc.record({ oneOf: fc.array(tie("schema"), { minLength: 1, maxLength: 3 }) }),
      fc.record({ allOf: fc.array(tie("schema"), { minLength: 1, maxLength: 2 }) }),
      fc.record({ not: tie("schema") }),
    ),
  })).schema;
  const values = fc.letrec((tie) => ({
    value: fc.oneof({ maxDepth: 3 }, fc.constantFrom("a", "b", "", "long text", null, true, false, 0, 1, 2, 3, 0.5, -1), fc.array(tie("value"), { maxLength: 4 }), fc.dictionary(fc.constantFrom("a", "b", "c", "d"), tie("value"), { maxKeys: 3, noNullPrototype: true })),
  })).value;

  it("says the same of every schema and value", () => {
    const ajv = new Ajv2020({ strict: false, allErrors: false, logger: false });
    fc.assert(
      fc.property(schemas, leaf.filter((one) => !("$ref" in one)), fc.array(values, { minLength: 1, maxLength: 4 }), (schema, defined, some) => {
        const whole = { $defs: { d: defined }, allOf: [schema] } as unknown as JsonObject;
        const validate = ajv.compile(whole);
        for (const value of some) assert.equal(checkSchema(whole, value as Json).problems.length === 0, validate(value), JSON.stringify({ whole, value }));
        ajv.removeSchema();
      }),
      { numRuns: 600 },
    );
  });
});
