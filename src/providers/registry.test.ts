import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, it } from "node:test";
import { dialectById } from "./dialects/index.ts";
import { PROVIDERS, discoverable, providerById } from "./registry.ts";

const source = resolve(process.env["SPILLWAY_SHARED"] ?? "../shared", "data/catalogue.json");
const skip = existsSync(source) ? false : "shared data is absent";

/** Known, priced, and not spoken yet. */
const NOT_SPOKEN = ["azure", "bedrock", "cohere", "jina", "vertex", "voyage"];
/** Found only through a configuration: their credentials open more than a model, or their address is the owner's. */
const CLOUDS = ["azure", "bedrock", "cloudflare", "vertex"];

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
    assert.equal(found.length, 26);
  });

  it("of one variable are one provider", () => {
    const names = [...PROVIDERS.values()].flatMap((provider) => provider.env);
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
      providers: { id: string; name: string; base_url: string; env: string[]; auth: { header: string } }[];
    };
    assert.equal(facts.providers.length, 33);
    for (const fact of facts.providers) {
      const provider = providerById(fact.id);
      assert.ok(provider, fact.id);
      assert.equal(provider.name, fact.name);
      if (provider.baseUrl !== null) assert.equal(provider.baseUrl, fact.base_url);
      else assert.ok(fact.base_url.includes("{"), `${fact.id}: no address, though the facts have a plain one`);
      for (const name of provider.env) assert.ok(fact.env.includes(name), `${fact.id} ${name}`);
      if (provider.dialect === null) continue;
      assert.equal(provider.auth.kind === "header" ? provider.auth.name : "Authorization", fact.auth.header, fact.id);
    }
  });
});
