/** Recorded answers of the API, replayed through the decoder; the expectations were read from the recordings by hand. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { StreamEvent } from "../../../wire/events.ts";
import { asNumber, member, type Json } from "../../../wire/json.ts";
import { inputTokens, outputTokens } from "../../../wire/usage.ts";
import { gemini } from "./index.ts";
import { CONTEXT, summary, type Summary } from "./test-support.ts";

const folder = resolve(process.env["SPILLWAY_SHARED"] ?? "../shared", "data/fixtures/ai-sdk/google");
const skip = existsSync(folder) ? false : "shared data is absent";

const STRAWBERRY = 'There are **3** "r"s in strawberry.\n\n';
const BREAKDOWN = `${STRAWBERRY}Here is the breakdown: st**r**awbe**rr**y.`;

function answer(fields: Partial<Summary>): Summary {
  return { text: "", reasoning: "", signatures: 0, calls: [], finish: ["stop"], units: {}, flags: [], error: undefined, ended: true, ...fields };
}
function weather(responseId: string) {
  return [{ id: `call_gem_${responseId}_0`, name: "weather", args: { location: "San Francisco" }, signed: true }];
}

const EXPECTED: Readonly<Record<string, Summary>> = {
  "google-text.chunks.txt": answer({ text: `${STRAWBERRY}st**r**awbe**rr**y`, signatures: 1, units: { input: 9, output: 23, reasoning: 185 } }),
  "google-reasoning.json": answer({ text: BREAKDOWN, signatures: 1, units: { input: 9, output: 29, reasoning: 282 } }),
  "google-reasoning.chunks.txt": answer({ text: BREAKDOWN, signatures: 1, units: { input: 9, output: 29, reasoning: 256 } }),
  "google-reasoning-gemini3.json": answer({ text: BREAKDOWN, signatures: 1, units: { input: 9, output: 29, reasoning: 258 } }),
  "google-reasoning-gemini3.chunks.txt": answer({ text: `${STRAWBERRY}St**r**awbe**rr**y`, signatures: 1, units: { input: 9, output: 23, reasoning: 302 } }),
  "google-tool-call.json": answer({ calls: weather("m36LaZGyCLz1xs0PtNSB-QU"), finish: ["tool_calls"], units: { input: 29, output: 15, reasoning: 893 } }),
  "google-tool-call.chunks.txt": answer({ calls: weather("b36LacjwM668nsEP2tbsgQQ"), finish: ["tool_calls"], units: { input: 29, output: 15, reasoning: 45 } }),
  "google-tool-call-gemini3.json": answer({ calls: weather("JniLacKqGqH0xs0P0O776As"), finish: ["tool_calls"], units: { input: 29, output: 15, reasoning: 1801 } }),
  "google-tool-call-gemini3.chunks.txt": answer({ calls: weather("QHiLaa6LBrb8vdIPoNztsAg"), finish: ["tool_calls"], units: { input: 29, output: 15, reasoning: 804 } }),
  "google-stream-tool-call-arguments.chunks.txt": answer({
    calls: [
      { id: "call_gem_dqHOab6xGLzWodAPkPuViA4_0", name: "getWeather", args: { location: "Boston" }, signed: true },
      { id: "call_gem_dqHOab6xGLzWodAPkPuViA4_1", name: "getWeather", args: { location: "San Francisco" }, signed: false },
    ],
    finish: ["tool_calls"], units: { input: 26, output: 23, reasoning: 132 },
  }),
  "google-stream-tool-call-array-arguments-missing-terminal-function-call.chunks.txt": answer({
    calls: [{
      id: "call_gem_3noMaojQL_2s6tkPiO26qQ4_0", name: "writeItems", signed: true,
      args: { operations: [
        { action: "add", description: "Fresh red apple", itemid: "apple_001", price: 0.5 },
        { action: "add", description: "Ripe yellow banana", itemid: "banana_001", price: 0.3 },
      ] },
    }],
    finish: ["tool_calls"], units: { input: 54, output: 74, reasoning: 121 },
  }),
  "google-vertex-stream-tool-call-arguments-nested.1.chunks.txt": answer({
    calls: [{
      id: "call_gem_tjXVaYaxFISTq8YP_MWiyAo_0", name: "cookRecipe", signed: true,
      args: { recipe: {
        ingredients: [
          { amount: "16 oz", name: "Lasagna noodles" }, { amount: "1 lb", name: "Ground beef" }, { amount: "15 oz", name: "Ricotta cheese" },
          { amount: "3 cups", name: "Mozzarella cheese" }, { amount: "1/2 cup", name: "Parmesan cheese" }, { amount: "24 oz", name: "Tomato sauce" },
          { amount: "1", name: "Egg" }, { amount: "2 cloves", name: "Garlic" }, { amount: "1 tsp", name: "Salt" }, { amount: "1/2 tsp", name: "Pepper" },
        ],
        name: "Lasagna",
        steps: [
          "Preheat oven to 375°F (190°C).", "Cook lasagna noodles according to package directions, drain and set aside.",
          "Brown ground beef with minced garlic in a skillet. Drain fat and stir in tomato sauce. Simmer for 10 minutes.",
          "In a bowl, mix ricotta cheese, egg, salt, pepper, and Parmesan cheese.",
          "In a 9x13 baking dish, spread a thin layer of meat sauce.",
          "Layer noodles, ricotta mixture, mozzarella, and meat sauce. Repeat.", "Top with remaining mozzarella cheese.",
          "Cover with foil and bake for 25 minutes.", "Remove foil and bake for another 25 minutes until golden.",
          "Let stand for 15 minutes before serving.",
        ],
      } },
    }],
    finish: ["tool_calls"], units: { input: 31, output: 684, reasoning: 1026 },
  }),
};

/** Error answers among the recordings; errors.test.ts reads them. */
const NOT_ANSWERS = ["google-429-retry-info.json"];

function recorded(): string[] {
  return readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile() && !NOT_ANSWERS.includes(entry.name)).map((entry) => entry.name);
}
function lines(name: string): string[] {
  return readFileSync(resolve(folder, name), "utf8").split("\n").filter((line) => line.trim() !== "");
}
function replay(name: string, events = lines(name)): StreamEvent[] {
  if (name.endsWith(".json")) return [...gemini.decodeAnswer(JSON.parse(readFileSync(resolve(folder, name), "utf8")) as Json, CONTEXT)];
  const decoder = gemini.openStream(CONTEXT);
  return [...events.flatMap((data) => [...decoder.push({ event: "", data })]), ...decoder.end()];
}

describe("recorded answers", { skip }, () => {
  test("every recording has its expectation", () => {
    assert.deepEqual(recorded().filter((name) => !(name in EXPECTED)), []);
  });
  for (const [name, expected] of Object.entries(EXPECTED)) {
    test(`${name} decodes to its text, calls, finish and usage`, () => assert.deepEqual(summary(replay(name)), expected));
  }

  test("in every usage of every recording the classes sum to the provider's total", () => {
    let checked = 0;
    for (const name of recorded()) {
      for (const event of replay(name)) {
        if (event.kind !== "usage") continue;
        const { units, raw, flags } = event.usage;
        assert.equal(inputTokens(units) + outputTokens(units), asNumber(member(raw, "totalTokenCount")), name);
        assert.equal(flags?.includes("usage_sum_mismatch") ?? false, false, name);
        checked++;
      }
    }
    assert.ok(checked >= 20, `${checked} usages`);
  });

  test("a stream cut after any event but the last one is never told as ended, and its usage is flagged", () => {
    for (const name of recorded().filter((file) => file.endsWith(".chunks.txt"))) {
      const all = lines(name);
      for (let cut = 0; cut < all.length; cut++) {
        const events = replay(name, all.slice(0, cut));
        const kinds = new Set<string>(events.map((event) => event.kind));
        assert.equal(kinds.has("end") || kinds.has("finish"), false, `${name} cut after ${cut}`);
        for (const event of events) if (event.kind === "usage") assert.deepEqual(event.usage.flags, ["usage_interim"]);
      }
    }
  });

  test("a stream's chunks given as one JSON array decode to the same", () => {
    for (const name of recorded().filter((file) => file.endsWith(".chunks.txt"))) {
      const body = lines(name).map((line) => JSON.parse(line) as Json);
      assert.deepEqual(gemini.decodeAnswer(body, CONTEXT), replay(name), name);
    }
  });

  test("a mutated stream never throws, and nothing follows an error or the end", () => {
    const streams = recorded().filter((file) => file.endsWith(".chunks.txt")).map(lines);
    const mutation = fc.record({ line: fc.nat(), at: fc.nat(), cut: fc.nat(30), put: fc.string({ unit: "binary", maxLength: 12 }), drop: fc.boolean() });
    fc.assert(fc.property(fc.constantFrom(...streams), fc.array(mutation, { minLength: 1, maxLength: 4 }), (original, mutations) => {
      const mutated = [...original];
      for (const { line, at, cut, put, drop } of mutations) {
        const which = line % mutated.length;
        const old = mutated[which] ?? "";
        const from = at % (old.length + 1);
        mutated[which] = drop ? "" : old.slice(0, from) + put + old.slice(from + cut);
      }
      const events = replay("mutated", mutated);
      const stop = events.findIndex((event) => event.kind === "error" || event.kind === "end");
      assert.ok(stop < 0 || stop === events.length - 1);
    }), { numRuns: 400 });
  });

  test("a body with any value replaced by any JSON never throws, and ends in one error or the end", () => {
    const bodies = recorded().filter((file) => file.endsWith(".json")).map((name) => JSON.parse(readFileSync(resolve(folder, name), "utf8")) as Json);
    const changed = fc.constantFrom(...bodies).chain((body) => fc.tuple(fc.constant(body), fc.nat(), fc.jsonValue({ maxDepth: 3 })));
    fc.assert(fc.property(changed, ([body, at, value]) => {
      const events = gemini.decodeAnswer(replaceNth(body, at % countNodes(body), value as Json), CONTEXT);
      assert.ok(events.at(-1)?.kind === "end" || events.at(-1)?.kind === "error");
    }), { numRuns: 400 });
  });
});

function countNodes(value: Json): number {
  if (typeof value !== "object" || value === null) return 1;
  return Object.values(value).reduce<number>((sum, child) => sum + countNodes(child as Json), 1);
}
/** A copy in which the nth value, counted depth first, is another. */
function replaceNth(value: Json, nth: number, by: Json): Json {
  let left = nth;
  const visit = (node: Json): Json => {
    if (left-- === 0) return by;
    if (Array.isArray(node)) return (node as Json[]).map(visit);
    if (typeof node !== "object" || node === null) return node;
    return Object.fromEntries(Object.entries(node).map(([key, child]) => [key, visit(child as Json)]));
  };
  return visit(value);
}
