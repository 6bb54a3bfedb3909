import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { Ajv } from "ajv";
import { parse } from "yaml";
import { editorSchema } from "./schema.ts";

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), "utf8");

describe("the schema for editors", () => {
  const validate = new Ajv({ strict: false }).compile(editorSchema() as object);

  it("is the published one (node scripts/schema.ts writes it)", () => {
    assert.equal(read("./spillway.schema.json"), `${JSON.stringify(editorSchema(), null, 2)}\n`);
  });

  it("is packed where the example says that it is", () => {
    const path = /^# yaml-language-server: \$schema=\.\/(\S+)\n/.exec(read("../../spillway.example.yaml"))?.[1] ?? assert.fail("the example names no schema");
    const { files } = JSON.parse(read("../../package.json")) as { readonly files: readonly string[] };
    assert.ok(files.some((one) => path === one || path.startsWith(`${one}/`)), `${path} is none of ${files.join(", ")}`);
    assert.ok(read(`../../${path}`).length > 0);
  });

  it("accepts the example with its references not yet replaced", () => {
    assert.ok(validate(parse(read("../../spillway.example.yaml"))), JSON.stringify(validate.errors));
  });

  it("accepts a reference in place of any value", () => {
    const text = 'version: 1\nroutes: { a: { candidates: ["${A}"], deadline: "${D:-5m}", default_max_output: "${N}", strategy: "${S}", keepalive: "${K}" } }\nfallbacks: ${F:-off}\n';
    assert.ok(validate(parse(text)), JSON.stringify(validate.errors));
  });

  it("refuses unknown keys, bad durations and unknown words", () => {
    for (const text of ["version: 1\nrouts: {}", "version: 1\nhealth: { rest: soon }", "version: 1\nfallbacks: of", "version: 2", "{}"]) assert.ok(!validate(parse(text)), text);
  });

  it("describes every key", () => {
    const missing: string[] = [];
    const walk = (schema: unknown, path: string): void => {
      if (typeof schema !== "object" || schema === null) return;
      for (const [name, inner] of Object.entries((schema as { properties?: object }).properties ?? {})) {
        if (typeof (inner as { description?: unknown }).description !== "string") missing.push(`${path}.${name}`);
      }
      for (const [name, inner] of Object.entries(schema)) walk(inner, `${path}.${name}`);
    };
    walk(editorSchema(), "");
    assert.deepEqual(missing, []);
  });
});
