import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, it } from "node:test";
import { dialectById } from "./dialects/index.ts";
import { PROVIDERS, discoverable, providerById } from "./registry.ts";

const source = resolve(process.env["SPILLWAY_SHARED"] ?? "../shared", "data/catalogue.json");
const skip = existsSync(source) ? false : "shared data is absent";

/** Known, priced, and not spoken yet. */
const NOT_SPOKEN = ["jina", "voyage"];
/** Found only through a configuration: their credentials open more than a model, or their address is the owner's. */
const CLOUDS = ["azure", "bedrock", "cloudflare", "huggingface", "vertex"];
/** Variables that the shared facts do not list. */
const MORE_VARIABLES = ["CO_API_KEY"];

describe("providers", () => {
  it("have an address that can be joined to a path, or none", () => {
    for (const { id, baseUrl } of PROVIDERS.values()) {
      if (baseUrl !== null) assert.match(baseUrl, /^https?:\/\/[^{}]+[^/{}]$/, id);
    }
  });

  it("speak a dialect that exists, and the rest are named here", () => {
    const silent = [...PROVIDERS.values()]
      .filter((provider) => provider.dialect === null)
      .map((provider) => provider.id);
    assert.deepEqual(silent.toSorted(), NOT_SPOKEN);
    for (const { dialect } of PROVIDERS.values()) if (dialect !== null) assert.equal(dialectById(dialect).id, dialect);
  });

  it("are never discovered by cloud credentials, nor by GOOGLE_API_KEY", () => {
    for (const id of CLOUDS) assert.deepEqual(providerById(id)?.env, [], id);
    const found = discoverable();
    for (const provider of found) {
      assert.ok(provider.env.length > 0 && provider.dialect !== null && provider.baseUrl !== null, provider.id);
      for (const name of provider.env)
        assert.match(name, /^(?!AWS_|AZURE_|CLOUDFLARE_|GOOGLE_API_KEY$)[A-Z0-9_]+_KEY$/);
    }
    assert.equal(found.length, 27);
  });

  it("make an address of settings where they have none of their own, and each setting has its place", () => {
    for (const { id, baseUrl, address } of PROVIDERS.values()) {
      if (address === undefined) continue;
      assert.equal(baseUrl, null, id);
      for (const template of [address.template, ...Object.values(address.exceptions)]) {
        assert.match(template.replace(/\{\w+\}/g, "x"), /^https:\/\/[^{}]+[^/{}]$/, id);
        for (const [, key = ""] of template.matchAll(/\{(\w+)\}/g)) assert.ok(Object.hasOwn(address.settings, key), `${id} ${key}`);
      }
      for (const key of Object.keys(address.exceptions)) assert.ok(Object.hasOwn(address.settings, key.split("=")[0] ?? ""), `${id} ${key}`);
    }
  });

  it("name each rate-limit header once, in lower case, and say how a reset is written", () => {
    for (const { id, rateLimitHeaders = [] } of PROVIDERS.values()) {
      const names = rateLimitHeaders.map(({ name }) => name);
      assert.equal(new Set(names).size, names.length, id);
      for (const { name, tells, form } of rateLimitHeaders) {
        assert.match(name, /^[a-z0-9-]+$/, id);
        assert.equal(form !== undefined, tells === "reset", `${id} ${name}`);
      }
    }
  });

  it("of one variable are one provider", () => {
    const names = [...PROVIDERS.values()].flatMap((provider) => [...provider.env, ...(provider.keyVariables ?? [])]);
    assert.equal(new Set(names).size, names.length);
  });

  it("of one's own are unmetered, need no key and bill nothing on an abort", () => {
    for (const id of ["ollama", "vllm"]) {
      const provider = providerById(id);
      assert.equal(provider?.unmetered, true);
      assert.equal(provider?.auth.kind, "none");
      assert.equal(provider?.billsOnAbort, "nothing");
    }
    assert.equal([...PROVIDERS.values()].filter((provider) => provider.unmetered).length, 2);
  });

  it("say the same as the shared facts: address, variable and header of the key", { skip }, () => {
    const facts = JSON.parse(readFileSync(source, "utf8")) as {
      providers: { id: string; name: string; base_url: string; env: string[]; auth: { header: string }; regions?: { id: string; base_url?: string }[] }[];
    };
    assert.equal(facts.providers.length, 33);
    for (const fact of facts.providers) {
      const provider = providerById(fact.id);
      assert.ok(provider, fact.id);
      assert.equal(provider.name, fact.name);
      if (provider.baseUrl !== null) assert.equal(provider.baseUrl, fact.base_url);
      else assert.ok(provider.address?.template.startsWith(fact.base_url.replace(/<(\w+)>/g, "{$1}")), `${fact.id}: ${fact.base_url}`);
      for (const name of provider.env) assert.ok(fact.env.includes(name) || MORE_VARIABLES.includes(name), `${fact.id} ${name}`);
      for (const { id, base_url: url } of fact.regions ?? []) if (url !== undefined && url !== fact.base_url) assert.equal(provider.endpoints?.[id], url, `${fact.id} ${id}`);
      if (provider.dialect === null) continue;
      const { auth } = provider;
      assert.equal(auth.kind === "header" ? auth.name : auth.kind === "entra" ? auth.keyHeader : "Authorization", fact.auth.header, fact.id);
    }
  });
});
