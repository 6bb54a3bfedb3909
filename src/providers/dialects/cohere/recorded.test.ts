/** Recorded answers of the API, replayed through both halves; the expectations were read from the recordings by hand. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { StreamEvent } from "../../../wire/events.ts";
import type { Json, JsonObject } from "../../../wire/json.ts";
import { cohereClient, cohereV2 } from "./index.ts";
import { CONTEXT, decodeSse, head, summary, written, type Summary } from "./test-hub.ts";

const folder = resolve(process.env["SPILLWAY_SHARED"] ?? "../shared", "data/fixtures/ai-sdk/cohere");
const skip = existsSync(folder) ? false : "shared data is absent";

function answer(fields: Partial<Summary>): Summary {
  return { text: "", reasoning: "", calls: [], citations: 0, finish: ["stop"], tokens: undefined, error: undefined, ended: true, ...fields };
}

const EXPECTED: Readonly<Record<string, Summary>> = {
  "cohere-text.json": answer({ text: "The capital of France is Paris.", tokens: [12, 7] }),
  "cohere-text.chunks.txt": answer({ text: "The capital of France is Paris.", tokens: [12, 7] }),
  "cohere-max-tokens.json": answer({ text: "**The History of", finish: ["length"], tokens: [11, 4] }),
  "cohere-reasoning.json": answer({
    reasoning: "Okay, so I need to figure out what 2 + 2 is. Let me start by recalling what addition means.",
    text: "2 + 2 = 4", tokens: [8, 578],
  }),
  "cohere-citations.json": answer({
    text: "The key benefits mentioned in this document are:\n1. Automation of tasks\n2. Better decision-making\n3. Cost reduction",
    citations: 3, tokens: [39, 27],
  }),
  "cohere-tool-call.json": answer({
    reasoning: "I will use the weather tool to find out the weather in San Francisco. I will also use the cityAttractions tool to find out what attractions are in San Francisco.",
    calls: [
      { id: "weather_dqgshstja6p9", name: "weather", arguments: `{"location":"San Francisco"}` },
      { id: "cityAttractions_dcxfx4myvx68", name: "cityAttractions", arguments: `{"city":"San Francisco"}` },
    ],
    finish: ["tool_calls"], tokens: [119, 52],
  }),
  "cohere-null-args.json": answer({
    reasoning: "I will use the currentTime tool to find the current time.",
    calls: [{ id: "currentTime_tf4dywn8wgnk", name: "currentTime", arguments: "{}" }],
    finish: ["tool_calls"], tokens: [46, 14],
  }),
};

function recorded(): string[] {
  return readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => entry.name);
}
function json(name: string): Json {
  return JSON.parse(readFileSync(resolve(folder, name), "utf8")) as Json;
}
function lines(name: string): string[] {
  return readFileSync(resolve(folder, name), "utf8").split("\n").filter((line) => line.trim() !== "");
}
function replay(name: string, events = lines(name)): StreamEvent[] {
  if (name.endsWith(".json")) return [...cohereV2.decodeAnswer(json(name), CONTEXT)];
  const decoder = cohereV2.openStream(CONTEXT);
  return [...events.flatMap((data) => [...decoder.push({ event: "", data })]), ...decoder.end()];
}

describe("recorded answers", { skip }, () => {
  test("every recording of a chat has its expectation", () => {
    assert.deepEqual(recorded().filter((name) => !(name in EXPECTED)), []);
  });
  for (const [name, expected] of Object.entries(EXPECTED)) {
    const title = name === "cohere-null-args.json" ? `case 11: ${name}, whose arguments are the word null, decodes to a call without arguments` : `${name} decodes to its text, calls, finish and usage`;
    test(title, () => assert.deepEqual(summary(replay(name)), expected));
    test(`${name} is the same after our stream of it is read again`, () => {
      const frames = written(replay(name));
      assert.deepEqual(summary(decodeSse(frames)), expected);
      assert.ok(frames.endsWith("data: [DONE]\n\n"));
    });
    test(`${name} is the same after our whole answer is read again`, () => {
      assert.deepEqual(summary(cohereV2.decodeAnswer(cohereClient.encodeAnswer(replay(name), head()), CONTEXT)), expected);
    });
  }

  test("the billed units are what is counted, and the whole usage is kept beside them", () => {
    for (const name of recorded()) {
      const usage = replay(name).find((event) => event.kind === "usage")?.usage;
      const raw = usage?.raw as { billed_units: { input_tokens: number; output_tokens: number }; cached_tokens: number };
      assert.deepEqual(usage?.units, { input: raw.billed_units.input_tokens, output: raw.billed_units.output_tokens }, name);
      assert.ok(raw.cached_tokens > raw.billed_units.input_tokens, `${name}: cached tokens are beside what is billed`);
    }
  });

  test("a stream cut after any event but the last one tells neither an end nor a finish", () => {
    const all = lines("cohere-text.chunks.txt");
    for (let cut = 0; cut < all.length; cut++) {
      const kinds = new Set<string>(replay("cut.chunks.txt", all.slice(0, cut)).map((event) => event.kind));
      assert.equal(kinds.has("end") || kinds.has("finish"), false, `cut after ${cut}`);
    }
  });

  test("a mutated stream never throws, and nothing follows an error or the end", () => {
    const streams = [lines("cohere-text.chunks.txt"), ...["cohere-tool-call.json", "cohere-citations.json"].map((name) => dataLines(written(replay(name))))];
    const mutation = fc.record({ line: fc.nat(), at: fc.nat(), cut: fc.nat(30), put: fc.string({ unit: "binary", maxLength: 12 }), drop: fc.boolean() });
    fc.assert(fc.property(fc.constantFrom(...streams), fc.array(mutation, { minLength: 1, maxLength: 4 }), (original, mutations) => {
      const mutated = [...original];
      for (const { line, at, cut, put, drop } of mutations) {
        const which = line % mutated.length;
        const old = mutated[which] ?? "";
        const from = at % (old.length + 1);
        mutated[which] = drop ? "" : old.slice(0, from) + put + old.slice(from + cut);
      }
      const events = replay("mutated.chunks.txt", mutated);
      const stop = events.findIndex((event) => event.kind === "error" || event.kind === "end");
      assert.ok(stop < 0 || stop === events.length - 1);
    }), { numRuns: 400 });
  });

  test("a stream with any value of any event replaced by any JSON never throws, and nothing follows an error or the end", () => {
    const stream = dataLines(written(replay("cohere-tool-call.json"))).filter((line) => line !== "[DONE]").map((line) => JSON.parse(line) as Json);
    fc.assert(fc.property(fc.nat(), fc.nat(), fc.jsonValue({ maxDepth: 3 }), (line, at, value) => {
      const which = line % stream.length;
      const changed = stream.map((event, i) => (i === which ? replaceNth(event, at % countNodes(event), value as Json) : event));
      const events = replay("changed.chunks.txt", changed.map((event) => JSON.stringify(event)));
      const stop = events.findIndex((event) => event.kind === "error" || event.kind === "end");
      assert.ok(stop < 0 || stop === events.length - 1);
    }), { numRuns: 400 });
  });

  test("a body with any value replaced by any JSON never throws, and ends in one error or the end", () => {
    const bodies = recorded().filter((file) => file.endsWith(".json")).map(json);
    const changed = fc.constantFrom(...bodies).chain((body) => fc.tuple(fc.constant(body), fc.nat(), fc.jsonValue({ maxDepth: 3 })));
    fc.assert(fc.property(changed, ([body, at, value]) => {
      const events = cohereV2.decodeAnswer(replaceNth(body, at % countNodes(body), value as Json), CONTEXT);
      const stops = events.filter((event) => event.kind === "error" || event.kind === "end");
      assert.equal(stops.length, 1);
      assert.equal(events.at(-1), stops[0]);
    }), { numRuns: 400 });
  });
});

function dataLines(frames: string): string[] {
  return frames.split("\n").filter((line) => line.startsWith("data: ")).map((line) => line.slice("data: ".length));
}
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
    return Object.fromEntries(Object.entries(node as JsonObject).map(([key, child]) => [key, visit(child as Json)]));
  };
  return visit(value);
}
