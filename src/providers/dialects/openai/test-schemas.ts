/** Validators made from OpenAI's own API description (shared data), for what we author in its name. */
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { gunzipSync } from "node:zlib";
import { Ajv2020 } from "ajv/dist/2020.js";

const file = resolve(
  process.env["SPILLWAY_SHARED"] ?? resolve(import.meta.dirname, "../../../../../shared"),
  "data/fixtures/openai-openapi/openapi.json.gz",
);

/** False, or why tests that need the description are skipped. */
export const descriptionAbsent: false | string = existsSync(file) ? false : "shared data is absent";

let ajv: Ajv2020 | undefined;

/** Problems of `value` against a schema of the description, one line each; empty if it is valid. */
export function problems(schema: string, value: unknown): readonly string[] {
  if (ajv === undefined) {
    ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });
    ajv.addSchema(normalised(JSON.parse(gunzipSync(readFileSync(file)).toString("utf8"))) as object, "openai");
  }
  const validate = ajv.getSchema(`openai#/components/schemas/${schema}`);
  if (validate === undefined) throw new Error(`no schema ${schema}`);
  // As on the wire: members that are undefined are not sent.
  if (validate(JSON.parse(JSON.stringify(value))) === true) return [];
  return (validate.errors ?? []).map((error) => `${error.instancePath} ${error.message ?? ""} ${JSON.stringify(error.params)}`);
}

/** The description uses two words of older versions: `nullable`, and `discriminator` in its object form. */
function normalised(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(normalised);
  if (typeof schema !== "object" || schema === null) return schema;
  const entries = Object.entries(schema).map(([key, value]) => [key, normalised(value)] as const);
  const plain = Object.fromEntries(entries.filter(([key, value]) => key !== "discriminator" || typeof value !== "object"));
  if (plain["nullable"] !== true) return plain;
  const { nullable: _, ...rest } = plain;
  if (typeof rest["type"] === "string") {
    return { ...rest, type: [rest["type"], "null"], ...(Array.isArray(rest["enum"]) ? { enum: [...(rest["enum"] as unknown[]), null] } : {}) };
  }
  return { anyOf: [rest, { type: "null" }] };
}
