/** The real catalogue and the real providers together: what small worlds in other tests cannot show. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { loadCatalogue } from "../providers/catalog/index.ts";
import { PROVIDERS } from "../providers/registry.ts";
import { configFromEnvironment } from "./discover.ts";
import { buildSnapshot, type Snapshot } from "./snapshot.ts";

function snapshot(...variables: readonly string[]): Snapshot {
  return buildSnapshot(configFromEnvironment(Object.fromEntries(variables.map((name) => [name, "x"])), PROVIDERS), loadCatalogue(), PROVIDERS);
}
const everything = [...PROVIDERS.values()].flatMap((provider) => provider.env[0] ?? []);
/** Ids in order, automatic ones in brackets; the code of what does not resolve. */
function ids(built: Snapshot, name: string): string {
  const resolution = built.directory.resolve(name);
  if (resolution.kind === "unresolved") return resolution.code;
  return resolution.route.candidates.map(({ deployment, automatic }) => (automatic ? `(${deployment.id})` : deployment.id)).join(" ");
}

describe("the real catalogue", () => {
  it("gives every listed model a route that begins with itself", () => {
    const built = snapshot(...everything);
    const listed = built.directory.callable();
    assert.ok(listed.length > 700, `${listed.length} callable`);
    for (const { id } of listed) assert.equal(ids(built, id).split(" ")[0], id);
  });

  it("never lets an automatic fallback leave the provider's residency, the model or the price limit", () => {
    const built = snapshot(...everything);
    let fallbacks = 0;
    for (const { id } of built.directory.callable()) {
      const resolution = built.directory.resolve(id);
      if (resolution.kind !== "route") continue;
      const [first, ...rest] = resolution.route.candidates.map(({ deployment }) => deployment);
      for (const deployment of rest) {
        fallbacks += 1;
        const closed = new Set([first?.region ?? "open", deployment.region ?? "open"].map((region) => (region === "us" ? "open" : region)));
        assert.equal(closed.size, 1, `${id} → ${deployment.id}`);
        assert.notEqual(deployment.provider.id, first?.provider.id);
        assert.deepEqual([deployment.model?.canonical, deployment.model?.variant, deployment.model?.type], [first?.model?.canonical, first?.model?.variant, first?.model?.type]);
        const [limit, price] = [first, deployment].map((one) => (one?.pricing.kind === "sheet" ? one.pricing.sheet.base : {}));
        const unit = first?.model?.type === "embedding" ? "input" : "output";
        assert.ok((price?.[unit] ?? Number.NaN) <= 1.5 * (limit?.[unit] ?? Number.NaN), `${id} → ${deployment.id}`);
      }
    }
    assert.ok(fallbacks > 300, `${fallbacks} fallbacks`);
  });

  it("knows the names that people use", () => {
    const built = snapshot("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "OPENROUTER_API_KEY");
    assert.equal(ids(built, "gpt-4o-mini").split(" ")[0], "openai/gpt-4o-mini");
    assert.equal(ids(built, "claude-sonnet-4-5").split(" ")[0], "anthropic/claude-sonnet-4-5");
    assert.equal(ids(built, "models/gemini-2.5-flash").split(" ")[0], "google/gemini-2.5-flash");
    assert.equal(ids(built, "openai/gpt-4o-mini"), "openai/gpt-4o-mini (openrouter/openai/gpt-4o-mini)");
    assert.equal(ids(snapshot("OPENROUTER_API_KEY"), "openai/gpt-4o-mini"), "openrouter/openai/gpt-4o-mini");
    assert.equal(ids(built, "voyage/anything"), "provider_not_supported_yet");
    assert.equal(ids(snapshot("OPENAI_API_KEY"), "claude-sonnet-4-5"), "provider_not_configured");
  });

  it("answers an open model by the cheapest host it has a key for", () => {
    const built = snapshot("GROQ_API_KEY", "DEEPINFRA_API_KEY", "OPENROUTER_API_KEY");
    assert.equal(ids(built, "gpt-oss-120b").split(" ")[0], "deepinfra/openai/gpt-oss-120b");
  });

  it("is joined in well under the time a start may take", () => {
    const startedMs = performance.now();
    snapshot(...everything);
    assert.ok(performance.now() - startedMs < 1_000);
  });
});
