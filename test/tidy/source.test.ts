import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { blank, importsOf } from "./source.ts";

describe("blanking a source", () => {
  const cases: readonly { readonly name: string; readonly text: string; readonly code: string; readonly bare: string }[] = [
    { name: "a line comment", text: "a; // b\nc", code: "a;     \nc", bare: "a;     \nc" },
    { name: "a block comment over lines", text: "a /* b\nc */ d", code: "a     \n     d", bare: "a     \n     d" },
    { name: "a string that looks like a comment", text: 'a("// b")', code: 'a("// b")', bare: 'a("    ")' },
    { name: "an escaped quote", text: '"a\\"b" c', code: '"a\\"b" c', bare: '"    " c' },
    { name: "a template with code inside", text: "`a ${b + `c ${d}`} e` f", code: "`a ${b + `c ${d}`} e` f", bare: "`  ${b + `  ${d}`}  ` f" },
    { name: "an object inside a template", text: "`${f({ a: 1 })} b` c", code: "`${f({ a: 1 })} b` c", bare: "`${f({ a: 1 })}  ` c" },
    { name: "a regular expression with a quote", text: "x = /[\"/]a/g; 'b'", code: "x = /[\"/]a/g; 'b'", bare: "x = /      g; ' '" },
    { name: "a division", text: "a / b / c", code: "a / b / c", bare: "a / b / c" },
  ];
  for (const { name, text, code, bare } of cases) {
    it(`keeps every place: ${name}`, () => {
      const result = blank(text);
      assert.equal(result.code, code);
      assert.equal(result.bare, bare);
    });
  }
});

describe("imports of a source", () => {
  const read = (text: string) => importsOf({ file: "src/edge/x.ts", ...blank(text) });

  it("are found in every form, with their targets made whole", () => {
    const found = read(
      [
        'import { a,\n  b } from "../wire/json.ts";',
        'import type { C } from "./c.ts";',
        'import * as net from "node:net";',
        'import "undici";',
        'export { d } from "../decide/d.ts";',
        'const e = await import("yaml");',
      ].join("\n"),
    );
    assert.deepEqual(
      found.map(({ target, typeOnly }) => [target, typeOnly]),
      [
        ["src/wire/json.ts", false],
        ["src/edge/c.ts", true],
        ["node:net", false],
        ["undici", false],
        ["src/decide/d.ts", false],
        ["yaml", false],
      ],
    );
    assert.equal(found[5]?.line, 7);
  });

  it("are not those of comments and strings", () => {
    assert.deepEqual(read('// import "a";\nconst b = `import "c";`;\nconst d = "import(\'e\')";'), []);
  });
});
