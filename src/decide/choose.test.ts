import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { CAPABILITIES, type Capability, type CapabilityTable } from "../wire/capability.ts";
import type { DialectId, ModelFacts } from "../wire/facts.ts";
import { choose, describeChoice, type Choice, type ChoiceFacts } from "./choose.ts";
import { DEFAULT_CLOCKS, type Deployment, type Pricing, type ReliefClass, type RequestShape, type Route } from "./deployment.ts";
import type { HealthView } from "./health/book.ts";
import type { Need } from "./needs.ts";
import { model, provider, sheet } from "./test-directory.ts";

const HEALTHY: HealthView = { state: "admitting", pausedUntilMs: 0, excluded: null, restsUntilMs: 0 };
const SHAPE: RequestShape = {
  endpoint: "chat", stream: false, inputBoundTokens: null, inputEstimateTokens: 25, imageCount: 0, maxOutputTokens: null, choiceCount: 1,
  needs: [],
};
const MEASURE = { textBytes: 100, messageAndToolCount: 1, imageCount: 0, unsized: false };

interface Place {
  readonly name: string;
  readonly model?: Partial<ModelFacts> | null;
  readonly pricing?: Pricing;
  readonly contextWindow?: number | null;
  readonly maxOutput?: number | null;
  readonly weight?: number;
  readonly automatic?: boolean;
  readonly after?: ReliefClass;
  readonly view?: Partial<HealthView>;
  readonly dialect?: DialectId;
  /** Beyond what the model's facts say. */
  readonly can?: Partial<CapabilityTable>;
}

const needing = (capability: Capability, missing: Need["missing"] = "skip", where: Need["where"] = "anywhere"): Need => ({ capability, param: "p", missing, where });

/** As a catalogue's facts tell it, and unknown otherwise. */
function tableOf({ model: facts, ...place }: Place & { readonly model?: ModelFacts | null }): CapabilityTable {
  const unknown = Object.fromEntries(CAPABILITIES.map((name) => [name, null])) as unknown as CapabilityTable;
  return { ...unknown, tools: facts?.tools ?? null, json_schema: facts?.jsonSchema ?? null, image_in: facts?.vision ?? null, ...place.can };
}

function deploymentOf(place: Place): Deployment {
  const facts = place.model === null ? null : model(`${place.name}/m`, "m", place.model);
  return {
    id: `${place.name}/m`, account: place.name, provider: provider(place.name, place.dialect === undefined ? {} : { dialect: place.dialect }), model: facts, upstreamModel: "m",
    pricing: place.pricing ?? { kind: "sheet", sheet: sheet(1, 2) },
    contextWindow: place.contextWindow === undefined ? 128_000 : place.contextWindow,
    maxOutput: place.maxOutput === undefined ? 16_000 : place.maxOutput,
    baseUrl: "", region: null, domain: {}, reasons: false,
  };
}

function chosen(places: readonly Place[], shape: Partial<RequestShape> = {}, more: { readonly strategy?: Route["strategy"]; readonly random?: () => number; readonly measure?: Partial<ChoiceFacts["measure"]> } = {}): Choice {
  const route: Route = {
    name: "r", strategy: more.strategy ?? "priority", clocks: DEFAULT_CLOCKS, keepalive: true, forwardHeaders: [], defaultMaxOutput: 8_192, automatic: false,
    candidates: places.map((place) => ({ deployment: deploymentOf(place), weight: place.weight ?? 1, automatic: place.automatic ?? false, ...(place.after === undefined ? {} : { after: place.after }) })),
  };
  const view = (deployment: Deployment): HealthView => ({ ...HEALTHY, ...places.find((place) => place.name === deployment.account)?.view });
  const capabilities = (deployment: Deployment): CapabilityTable => tableOf({ name: "", ...places.find((place) => place.name === deployment.account), model: deployment.model });
  return choose({ route, shape: { ...SHAPE, ...shape }, measure: { ...MEASURE, ...more.measure }, view, capabilities, passesTo: "openai-chat", wallMs: Date.UTC(2026, 10, 23), random: more.random ?? (() => 0.5) });
}

const names = (choice: Choice): string => choice.candidates.map((one) => one.deployment.account).join(" ");

describe("a candidate is left out, with its reason,", () => {
  const ROWS: readonly (readonly [what: string, place: Omit<Place, "name">, shape: Partial<RequestShape>, reason: string])[] = [
    ["where its credential is out", { view: { excluded: { reason: "auth", untilMs: 1, scope: "account", alarm: true } } }, {}, "excluded: auth"],
    ["where it takes no tools and tools are sent", { model: { tools: false } }, { needs: [needing("tools")] }, "no_tools: the model takes no tools"],
    ["where it takes no schema and none can be made up for", { model: { jsonSchema: false } }, { needs: [needing("json_schema")] }, "no_json_schema: the model takes no JSON schema"],
    ["where it takes no images and one is sent", { model: { vision: false } }, { needs: [needing("image_in")] }, "no_vision: the model takes no images"],
    ["where it refuses a field and the client's bytes would reach it", { can: { sampling: false } }, { needs: [needing("sampling", "skip", "passed")] }, "no_sampling: the model refuses temperature and top_p"],
    ["where it makes embeddings and chat is asked", { model: { type: "embedding" } }, {}, "wrong_endpoint: a model for embedding"],
    ["where it chats and embeddings are asked", { model: { type: "chat" } }, { endpoint: "embeddings" }, "wrong_endpoint: a model for chat"],
    ["where the prompt cannot fit", { contextWindow: 1_000 }, { inputEstimateTokens: 4_001 }, "context_too_small: takes 1000 tokens, about 4001 asked"],
    ["where it is an automatic fallback and the prompt may not fit", { automatic: true, contextWindow: 1_000 }, { inputEstimateTokens: 1_001 }, "context_too_small: takes 1000 tokens, about 1001 asked"],
    ["where it is an automatic fallback that gives less than was asked", { automatic: true, maxOutput: 100 }, { maxOutputTokens: 101 }, "output_too_small: gives at most 100 output tokens, 101 asked"],
  ];
  for (const [what, place, shape, reason] of ROWS) {
    it(what, () => {
      const choice = chosen([{ name: "a", ...place }, { name: "b", model: shape.endpoint === "embeddings" ? { type: "embedding", vision: true } : { vision: true } }], shape);
      assert.equal(names(choice), "b");
      assert.deepEqual(choice.filtered.map((one) => `${one.reason}: ${one.detail}`), [reason]);
      assert.equal(choice.filtered[0]?.deployment, "a/m");
    });
  }
});

describe("a candidate stays", () => {
  const ROWS: readonly (readonly [what: string, place: Omit<Place, "name">, shape: Partial<RequestShape>])[] = [
    ["where a capability is unknown, which is not missing", { model: { tools: null, jsonSchema: null, vision: null } }, { needs: [needing("tools"), needing("json_schema", "emulate"), needing("image_in")] }],
    ["where the catalogue does not know it at all", { model: null }, { needs: [needing("tools"), needing("image_in")] }],
    ["where it refuses a field that an encoder leaves out on the way to it", { model: null, dialect: "gemini", can: { sampling: false } }, { needs: [needing("sampling", "skip", "passed")] }],
    ["where it lacks what a client of its own dialect asks in that dialect's words", { can: { json_schema: false } }, { needs: [needing("json_schema", "skip", "foreign")] }],
    ["where its type is unknown", { model: { type: "other" } }, {}],
    ["where it lacks what is not asked", { model: { tools: false, jsonSchema: false, vision: false } }, {}],
    ["where the prompt just fits", { contextWindow: 1_000 }, { inputEstimateTokens: 1_000 }],
    ["where its owner named it and the prompt only seems too long: white space has many bytes to a token", { contextWindow: 1_000 }, { inputEstimateTokens: 4_000 }],
    ["where its window is unknown", { contextWindow: null }, { inputEstimateTokens: 10_000_000 }],
    ["where its owner named it, though it gives less than was asked: the provider may say so", { maxOutput: 100 }, { maxOutputTokens: 101 }],
    ["while it rests: health is asked again at each step", { view: { state: "resting" } }, {}],
    ["while it is paced", { view: { pausedUntilMs: Number.MAX_SAFE_INTEGER } }, {}],
  ];
  for (const [what, place, shape] of ROWS) {
    it(what, () => {
      const choice = chosen([{ name: "a", ...place }], shape);
      assert.equal(names(choice), "a");
      assert.deepEqual(choice.filtered, []);
    });
  }
});

describe("the order", () => {
  it("is the owner's for priority, and takes no chance", () => {
    const random = (): number => assert.fail("chance was asked");
    assert.equal(names(chosen([{ name: "c" }, { name: "a" }, { name: "b" }], {}, { random })), "c a b");
  });

  it("has those last that the prompt may not fit, and the record says so", () => {
    const choice = chosen([{ name: "a", contextWindow: 1_000 }, { name: "b" }, { name: "c", contextWindow: 1_000 }, { name: "d" }], { inputEstimateTokens: 1_001 });
    assert.equal(names(choice), "b d a c");
    const told = describeChoice(choice, []).candidates as readonly { readonly may_not_fit?: boolean }[];
    assert.deepEqual(told.map((one) => one.may_not_fit), [undefined, undefined, true, true]);
  });

  it("is drawn by weight for weighted: each comes first as often as its share says", () => {
    let seed = 1;
    const random = (): number => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
    const firsts: Record<string, number> = { a: 0, b: 0, c: 0 };
    for (let i = 0; i < 6_000; i++) {
      const first = chosen([{ name: "a", weight: 1 }, { name: "b", weight: 2 }, { name: "c", weight: 3 }], {}, { strategy: "weighted", random }).candidates[0]?.deployment.account ?? "";
      firsts[first] = (firsts[first] ?? 0) + 1;
    }
    for (const [name, share] of [["a", 1 / 6], ["b", 2 / 6], ["c", 3 / 6]] as const) assert.ok(Math.abs((firsts[name] ?? 0) / 6_000 - share) < 0.03, `${name}: ${firsts[name]}`);
  });

  it("of weighted holds every candidate once, whatever chance says, and the same chance gives the same order", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 6 }), fc.array(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), { minLength: 6, maxLength: 6 }), (weights, chances) => {
        const places = weights.map((weight, i) => ({ name: `c${i}`, weight }));
        const draw = (): string => {
          let at = 0;
          return names(chosen(places, {}, { strategy: "weighted", random: () => chances[at++] ?? 0 }));
        };
        assert.equal(draw().split(" ").toSorted().join(" "), places.map((place) => place.name).toSorted().join(" "));
        assert.equal(draw(), draw());
      }),
    );
  });
});

describe("the hold", () => {
  it("is the dearest step's bound: input at its bound, output as asked, times the choices", () => {
    const places: Place[] = [{ name: "cheap" }, { name: "dear", pricing: { kind: "sheet", sheet: sheet(10, 20) } }];
    const choice = chosen(places, { maxOutputTokens: 50, choiceCount: 2 });
    const input = choice.candidates[0]?.inputBoundTokens ?? 0;
    assert.ok(input >= 100 + 32);
    assert.deepEqual(choice.candidates.map((one) => one.boundNanoUsd), [input * 1_000 + 100 * 2_000, input * 10_000 + 100 * 20_000]);
    assert.equal(choice.holdNanoUsd, choice.candidates[1]?.boundNanoUsd);
  });

  it("takes the most that the model can give where no limit is asked", () => {
    const [one] = chosen([{ name: "a", maxOutput: 777 }]).candidates;
    assert.equal(one?.boundNanoUsd, (one?.inputBoundTokens ?? 0) * 1_000 + 777 * 2_000);
  });

  it("counts no output for embeddings", () => {
    const [one] = chosen([{ name: "a", model: { type: "embedding" } }], { endpoint: "embeddings", maxOutputTokens: 0 }).candidates;
    assert.equal(one?.boundNanoUsd, (one?.inputBoundTokens ?? 0) * 1_000);
  });

  it("is unknown where any step's bound is", () => {
    assert.equal(chosen([{ name: "a" }, { name: "b", pricing: { kind: "unknown" } }]).holdNanoUsd, null);
    assert.equal(chosen([{ name: "a" }, { name: "b", maxOutput: null }]).holdNanoUsd, null);
  });

  it("leaves unmetered steps out; where all are, it is null and not nothing", () => {
    const metered = chosen([{ name: "a" }, { name: "b", pricing: { kind: "unmetered" } }]);
    assert.equal(metered.holdNanoUsd, metered.candidates[0]?.boundNanoUsd);
    assert.equal(metered.candidates[1]?.boundNanoUsd, null);
    assert.equal(chosen([{ name: "b", pricing: { kind: "unmetered" } }]).holdNanoUsd, null);
    assert.equal(chosen([]).holdNanoUsd, null);
  });

  it("is never below any step's bound", () => {
    fc.assert(
      fc.property(fc.array(fc.record({ input: fc.integer({ min: 1, max: 100 }), output: fc.integer({ min: 1, max: 100 }), maxOutput: fc.integer({ min: 1, max: 10_000 }) }), { minLength: 1, maxLength: 5 }), fc.integer({ min: 0, max: 1_000_000 }), (steps, textBytes) => {
        const places = steps.map((one, i): Place => ({ name: `c${i}`, maxOutput: one.maxOutput, pricing: { kind: "sheet", sheet: sheet(one.input, one.output) } }));
        const choice = chosen(places, {}, { measure: { textBytes } });
        for (const one of choice.candidates) assert.ok((one.boundNanoUsd ?? Infinity) <= (choice.holdNanoUsd ?? -1));
      }),
    );
  });
});

describe("the choice in the record", () => {
  it("holds the strategy, the hold, each candidate with bound and health, and the filtered with reasons", () => {
    const choice = chosen([{ name: "a" }, { name: "b", automatic: true }, { name: "c", model: { tools: false } }], { needs: [needing("tools")], maxOutputTokens: 1 });
    const [a, b] = choice.candidates;
    assert.deepEqual(describeChoice(choice, ["admitting", "resting"]), {
      strategy: "priority",
      hold_nano_usd: choice.holdNanoUsd,
      candidates: [
        { deployment: "a/m", automatic: false, bound_nano_usd: a?.boundNanoUsd, input_bound_tokens: a?.inputBoundTokens, health: "admitting" },
        { deployment: "b/m", automatic: true, bound_nano_usd: b?.boundNanoUsd, input_bound_tokens: b?.inputBoundTokens, health: "resting" },
      ],
      filtered: [{ deployment: "c/m", reason: "no_tools", detail: "the model takes no tools", param: "p" }],
    });
  });

  it("says what is made up for", () => {
    const choice = chosen([{ name: "a", model: { jsonSchema: false } }], { needs: [needing("json_schema", "emulate")] });
    assert.deepEqual((describeChoice(choice, ["admitting"])["candidates"] as { emulates?: unknown }[])[0]?.emulates, ["json_schema"]);
  });
});

describe("what a candidate lacks and the gateway makes up for", () => {
  const needs = [needing("json_schema", "emulate")];
  const without = { jsonSchema: false };

  it("puts it behind those that can, among the candidates that nobody named", () => {
    const places = [{ name: "a" }, { name: "b", automatic: true, model: without }, { name: "c", automatic: true }, { name: "d", automatic: true, model: without }, { name: "e", automatic: true, model: { jsonSchema: null } }];
    assert.equal(names(chosen(places, { needs })), "a c e b d");
  });

  it("moves none that the owner named", () => {
    assert.equal(names(chosen([{ name: "a", model: without }, { name: "b" }, { name: "c", model: without, automatic: true }, { name: "d", automatic: true }], { needs })), "a b d c");
  });

  it("raises its bound by the instruction and by the answer that a repair shows again", () => {
    const [able, lacking] = chosen([{ name: "a" }, { name: "b", model: without }], { needs, maxOutputTokens: 100 }).candidates;
    assert.equal((lacking?.inputBoundTokens ?? 0) - (able?.inputBoundTokens ?? 0), 4_096 + 200);
  });

  it("costs no candidate its place where a field is left out", () => {
    assert.equal(names(chosen([{ name: "a", can: { seed: false, sampling: false } }, { name: "b" }], { needs: [needing("seed", "drop"), needing("sampling", "drop")] })), "a b");
  });
});

describe("candidates that are held back", () => {
  const own: readonly Place[] = [{ name: "a", contextWindow: 1_000 }, { name: "b", contextWindow: 2_000 }];
  const listed: readonly Place[] = [{ name: "long", contextWindow: 100_000, after: "context", pricing: { kind: "sheet", sheet: sheet(100, 200) } }, { name: "free", after: "content_policy" }];
  const told = ({ candidates }: Choice): string => candidates.map(({ deployment, after }) => `${deployment.account}${after === undefined ? "" : `(${after})`}`).join(" ");

  it("stand behind all others under every strategy, and nothing is held for them beforehand", () => {
    for (const strategy of ["priority", "weighted"] as const) {
      const choice = chosen([...own, ...listed], { maxOutputTokens: 10 }, { strategy, random: () => 0.9 });
      assert.match(told(choice), /^[ab] [ab] long\(context\) free\(content_policy\)$/);
      assert.equal(choice.holdNanoUsd, chosen(own, { maxOutputTokens: 10 }).holdNanoUsd);
    }
    const described = describeChoice(chosen([...own, ...listed]), []).candidates as readonly { readonly after?: string }[];
    assert.deepEqual(described.map((one) => one.after), [undefined, undefined, "context", "content_policy"]);
  });

  it("are asked at once where the prompt is surely too long for all others, and held for", () => {
    const choice = chosen([...own, ...listed], { inputEstimateTokens: 8_001, maxOutputTokens: 10 });
    assert.equal(told(choice), "long free(content_policy)");
    assert.deepEqual(choice.filtered.map((one) => one.reason), ["context_too_small", "context_too_small"]);
    assert.equal(choice.holdNanoUsd, choice.candidates[0]?.boundNanoUsd);
    assert.equal(told(chosen([...own, ...listed], { inputEstimateTokens: 8_000 })), "b long(context) free(content_policy)", "four times the estimate may still fit the larger");
  });

  it("make no choice by themselves: not where the others are out, nor where what is listed cannot carry the request", () => {
    const out = { excluded: { reason: "auth" as const, untilMs: 1, scope: "account" as const, alarm: true } };
    assert.equal(told(chosen([...own.map((one) => ({ ...one, view: out })), ...listed])), "");
    assert.equal(told(chosen([...own, { name: "short", contextWindow: 10, after: "context" }, ...listed.slice(1)], { inputEstimateTokens: 8_001 })), "");
  });

  it("are left out for what they lack, with the reason", () => {
    const choice = chosen([...own, { name: "blind", after: "context", can: { tools: false } }], { needs: [needing("tools")] });
    assert.deepEqual([told(choice), choice.filtered.map((one) => `${one.deployment} ${one.reason}`)], ["a b", ["blind/m no_tools"]]);
  });
});
