/** The description of the API says what is served, and what is served is as it says. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { Ajv2020 } from "ajv/dist/2020.js";
import { isObject, type Json, type JsonObject } from "../../src/wire/json.ts";
import { samples } from "./memory-api.ts";
import { adminWorld, type AdminWorld } from "./world.ts";

interface Operation extends JsonObject {
  readonly operationId: string;
  readonly parameters: readonly JsonObject[];
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, { readonly schema: JsonObject }>> }>>;
}

describe("the description", () => {
  let world: AdminWorld;
  let document: JsonObject;
  const ajv = new Ajv2020({ strict: false, allErrors: true, validateFormats: false });
  before(async () => {
    world = await adminWorld();
    document = (await world.ask("GET", "/openapi.json")).json;
    ajv.addSchema(document as object, "doc");
  });
  after(() => world.close());

  const operations = (): readonly (readonly [method: string, path: string, operation: Operation])[] =>
    Object.entries(document["paths"] as Readonly<Record<string, Readonly<Record<string, Operation>>>>).flatMap(([path, methods]) => Object.entries(methods).map(([method, operation]) => [method, path, operation] as const));
  const validate = (pointer: string, value: Json): void => {
    const check = ajv.getSchema(`doc#${pointer}`);
    assert.ok(check !== undefined, pointer);
    assert.ok(check(value), `${pointer}: ${ajv.errorsText(check.errors)}\n${JSON.stringify(value).slice(0, 600)}`);
  };
  const pointerOf = (path: string, method: string, status: string): string => `/paths/${encodeURIComponent(path.replaceAll("~", "~0").replaceAll("/", "~1"))}/${method}/responses/${status}/content/${encodeURIComponent("application~1json")}/schema`;

  it("is open to anyone, is OpenAPI 3.1, names every operation once, and leads nowhere that is not there", async () => {
    assert.equal((await world.askAs(null, "GET", "/openapi.json")).status, 200);
    assert.equal(document["openapi"], "3.1.0");
    const ids = operations().map(([, , { operationId }]) => operationId);
    assert.equal(new Set(ids).size, ids.length);
    assert.ok(ids.length > 60);
    const schemas = (document["components"] as { readonly schemas: JsonObject }).schemas;
    const refs = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map(([, ref = ""]) => ref);
    assert.ok(refs.length > 50);
    for (const ref of refs) assert.ok(ref.replace("#/components/schemas/", "") in schemas, ref);
    for (const name of Object.keys(schemas)) assert.ok(ajv.getSchema(`doc#/components/schemas/${name}`) !== undefined, name);
    for (const [, path, { parameters }] of operations()) {
      const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      assert.deepEqual(parameters.filter((one) => one["in"] === "path").map((one) => one["name"]), named, path);
    }
  });

  it("describes what is sent: every sample is valid by it, and by the server", async () => {
    for (const { kind, id, body } of samples("o", "default")) {
      const name = kind.slice(0, 1).toUpperCase() + kind.slice(1);
      const sent = { id, ...body };
      validate(`/components/schemas/${name}New`, sent);
      const check = ajv.getSchema(`doc#/components/schemas/${name}New`);
      assert.equal(check?.({ ...sent, surely_no_field: 1 }), false, `${name} takes no unknown field`);
      const plural = operations().find(([, , { operationId }]) => operationId === `create${name}`)?.[1].replace("/admin/v1", "") ?? "";
      const made = await world.ask("POST", plural, sent);
      assert.equal(made.status, 201, made.text);
      validate(`/components/schemas/${name}`, made.json);
    }
  });

  it("describes what is answered: every listing, every object and every report is valid by it", async () => {
    await world.call("the-key-of-the-configuration");
    const { 0: request } = await world.gateway.requests();
    const made = new Map(samples("o", "default").map(({ kind, id }) => [kind, id]));
    let checked = 0;
    for (const [method, path, { responses }] of operations()) {
      const json = responses["200"]?.content?.["application/json"];
      if (method !== "get" || json === undefined) continue;
      const plural = path.split("/")[3] ?? "";
      const id = plural === "requests" ? (request?.requestId ?? "") : plural === "organisations" ? "default" : (made.get(plural.replace(/s$/, "")) ?? "");
      const reply = await world.ask("GET", path.replace("/admin/v1", "").replace("{id}", id) + (path.endsWith("movers") ? "?by=key" : path.endsWith("usage") ? "?by=key,day" : ""));
      assert.equal(reply.status, 200, `${path}: ${reply.text}`);
      validate(pointerOf(path, method, "200"), reply.json);
      checked++;
    }
    assert.ok(checked > 25, String(checked));
  });

  it("describes refusals: each is valid by it", async () => {
    for (const reply of [await world.askAs(null, "GET", "/teams"), await world.ask("GET", "/teams/none"), await world.ask("POST", "/teams", { nam: "x" }), await world.ask("PATCH", "/teams/t-o", { name: "x" }, { "if-match": '"9"' }), await world.ask("DELETE", "/budgets/config:month")]) {
      assert.ok(reply.status >= 400);
      validate("/components/schemas/Error", reply.json);
    }
  });

  it("is a page for people too: without script, and with nothing fetched", async () => {
    const { status, headers, text } = await world.askAs(null, "GET", "/docs");
    assert.equal(status, 200);
    const style = /<style>([\s\S]*?)<\/style>/.exec(text)?.[1] ?? "";
    const policy = headers.get("content-security-policy") ?? "";
    assert.ok(policy.startsWith("default-src 'none'; style-src 'sha256-") && policy.includes(createHash("sha256").update(style).digest("base64")), policy);
    assert.ok(!/<script|<img|<link|<iframe|javascript:|\son\w+=|https?:\/\/(?!127|localhost)/i.test(text.replaceAll(/<td>[^<]*<\/td>/g, "")), "only text");
    for (const [method, path] of operations()) assert.ok(text.includes(`<b>${method.toUpperCase()}</b> ${path.replaceAll("'", "&#39;")}`), path);
    assert.ok(isObject(document["info"]));
  });
});
