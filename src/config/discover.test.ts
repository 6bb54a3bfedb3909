import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { PROVIDERS } from "../providers/registry.ts";
import { configFromEnvironment } from "./discover.ts";
import { keyDigest } from "./values.ts";

const names = (env: Readonly<Record<string, string>>): string[] => configFromEnvironment(env, PROVIDERS).accounts.map(({ name, keyFrom }) => `${name} by ${keyFrom}`);

describe("a configuration from the environment", () => {
  it("has one account for each provider whose variable is set", () => {
    assert.deepEqual(names({ ANTHROPIC_API_KEY: "a", OPENAI_API_KEY: "b", GROQ_API_KEY: "c", PATH: "/" }), ["openai by OPENAI_API_KEY", "anthropic by ANTHROPIC_API_KEY", "groq by GROQ_API_KEY"]);
  });

  it("takes the first variable that is set, and only what is not blank, trimmed", () => {
    assert.deepEqual(names({ GEMINI_API_KEY: "a", GOOGLE_GENERATIVE_AI_API_KEY: "b" }), ["google by GEMINI_API_KEY"]);
    assert.deepEqual(names({ OPENAI_API_KEY: " ", ANTHROPIC_API_KEY: "" }), []);
    assert.equal(configFromEnvironment({ OPENAI_API_KEY: " sk-a\n" }, PROVIDERS).accounts[0]?.apiKey?.reveal(), "sk-a");
  });

  it("never takes cloud credentials that were set for other purposes", () => {
    const cloud = {
      AWS_ACCESS_KEY_ID: "a", AWS_SECRET_ACCESS_KEY: "a", AWS_BEARER_TOKEN_BEDROCK: "a", GOOGLE_API_KEY: "a", GOOGLE_APPLICATION_CREDENTIALS: "a",
      GOOGLE_VERTEX_PROJECT: "a", AZURE_API_KEY: "a", AZURE_OPENAI_API_KEY: "a", CLOUDFLARE_API_KEY: "a", CLOUDFLARE_API_TOKEN: "a",
    };
    assert.deepEqual(names(cloud), []);
  });

  it("is simulated where nothing is found, and only there", () => {
    const { simulated, source, accounts, keys } = configFromEnvironment({}, PROVIDERS);
    assert.deepEqual([simulated, source, accounts, keys], [true, "simulated", [], []]);
    assert.equal(configFromEnvironment({ OPENAI_API_KEY: "a" }, PROVIDERS).simulated, false);
  });

  it("takes the caller key from SPILLWAY_API_KEY", () => {
    assert.deepEqual(configFromEnvironment({ SPILLWAY_API_KEY: "k" }, PROVIDERS).keys, [{ name: "environment", sha256: keyDigest("k") }]);
  });
});
