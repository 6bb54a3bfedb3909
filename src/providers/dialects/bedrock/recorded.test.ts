import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { StreamEvent } from "../../../wire/events.ts";
import type { Json, JsonObject } from "../../../wire/json.ts";
import type { UnitCounts } from "../../../wire/usage.ts";
import { CONTEXT, fold } from "../anthropic/test-hub.ts";
import { parseChatRequest } from "../openai/parse.ts";
import { bedrockConverse } from "./index.ts";
import { decodedAll, encoded, framesOf, streamed, target } from "./test-hub.ts";

const FIXTURES = join(process.env.SPILLWAY_SHARED ?? "../shared", "data/fixtures");
const FOLDER = join(FIXTURES, "ai-sdk/amazon-bedrock");
const skip = existsSync(FOLDER) ? false : "shared data is absent";
const files = skip === false ? readdirSync(FOLDER).filter((name) => statSync(join(FOLDER, name)).isFile()).toSorted() : [];

/** [length of the text, tool calls, units]; null where the recording has no usage. */
type Row = readonly [number, readonly string[], UnitCounts | null];
const EXPECTED: Readonly<Record<string, Row>> = {
  "amazon-bedrock-json-tool-with-answer.1.json": [15, ['json-tool-id-123 json {"firstName":"John","lastName":"Doe"}'], { input: 156, output: 35 }],
  "amazon-bedrock-json-tool.1.chunks.txt": [0, ['json-tool-id json {"value":"test"}'], null],
  "amazon-bedrock-json-tool.2.json": [34, ['json-tool-id json {"value":"test data"}'], { input: 12, output: 28 }],
  "amazon-bedrock-json-tool.3.chunks.txt": [47, ['json-tool-id json {"result":42}'], null],
  "amazon-bedrock-json-with-tool.1.chunks.txt": [30, ['tool-1 get-weather {"location":"SF"}', 'json-tool-id json {"result":"data"}'], null],
  "amazon-bedrock-json-with-tools.1.json": [49, ['tool-1 tool-a {"param":"a"}', 'tool-2 tool-b {"param":"b"}', 'json-tool-id json {"final":"result"}'], { input: 28, output: 62 }],
  "amazon-bedrock-reasoning.chunks.txt": [63, [], { input: 51, output: 94 }],
  "amazon-bedrock-reasoning.json": [63, [], { input: 51, output: 78 }],
  "amazon-bedrock-text.chunks.txt": [109, [], { input: 22, output: 55 }],
  "amazon-bedrock-tool-call.1.chunks.txt": [0, ['tool-use-id test-tool {"value":"Sparkle Day"}'], { input: 125, output: 45 }],
  "amazon-bedrock-tool-no-args.chunks.txt": [35, ["tool-use-id updateIssueList {}"], { input: 100, output: 25 }],
  "amazon-bedrock-tool-no-args.json": [35, ["tool-use-id updateIssueList {}"], { input: 100, output: 25 }],
};

function json(path: string): Json {
  return JSON.parse(readFileSync(path, "utf8")) as Json;
}
function lines(file: string): readonly JsonObject[] {
  return readFileSync(join(FOLDER, file), "utf8").split("\n").filter((line) => line.trim() !== "").map((line) => JSON.parse(line) as JsonObject);
}
function decoded(file: string): readonly StreamEvent[] {
  return file.endsWith(".chunks.txt") ? streamed(lines(file)) : bedrockConverse.decodeAnswer(json(join(FOLDER, file)), CONTEXT);
}

describe("recorded answers", { skip }, () => {
  for (const file of files) {
    test(`${file} decodes to one complete answer`, () => {
      const events = decoded(file);
      const answer = fold(events);
      assert.deepEqual([answer.errors, answer.warnings], [[], []]);
      assert.equal(answer.finish.length, 1);
      assert.equal(events.filter((event) => event.kind === "start").length, 1);
      assert.equal(events.at(-1)?.kind, "end");
      assert.notEqual(answer.text.length + answer.tools.length, 0);
    });
  }

  for (const [file, [length, tools, units]] of Object.entries(EXPECTED)) {
    test(`${file} gives the text, calls and usage that were read off it`, () => {
      const answer = fold(decoded(file));
      assert.deepEqual([answer.text.length, answer.tools, answer.usage?.units ?? null], [length, tools, units]);
    });
  }

  test("case 22: recorded reasoning comes with its signature before the text", () => {
    for (const file of ["amazon-bedrock-reasoning.chunks.txt", "amazon-bedrock-reasoning.json"]) {
      assert.deepEqual([...new Set(decoded(file).map((event) => event.kind))].slice(0, 4), ["start", "reasoning", "signature", "text"]);
    }
  });

  test("a stream cut at any event neither throws nor passes for whole", () => {
    for (const file of files.filter((name) => name.endsWith(".chunks.txt"))) {
      const all = lines(file);
      const stop = all.findIndex((line) => line.messageStop !== undefined);
      for (let cut = 0; cut <= stop; cut++) assert.equal(fold(streamed(all.slice(0, cut))).ended, false, `${file} cut before event ${cut}`);
    }
  });
});

const GATEWAY = join(FIXTURES, "agentgateway");
describe("another gateway's reading", { skip: existsSync(GATEWAY) ? false : "shared data is absent" }, () => {
  test("a recorded binary stream gives the text and the usage that it found", () => {
    const answer = fold(decodedAll(framesOf([readFileSync(join(GATEWAY, "response/bedrock/basic.bin"))])));
    assert.match(answer.text, /^\nOnce upon a time, .* he had helped\.$/s);
    assert.deepEqual([answer.finish, answer.usage?.units, answer.ended], [["stop end_turn"], { input: 15, output: 142 }, true]);
  });

  test("recorded whole answers give what it found", () => {
    const rows: readonly (readonly [string, string, string, string])[] = [
      ["basic", "", "Hello world", "stop end_turn"], ["max_tokens", "", "Partial response", "length max_tokens"],
      ["reasoning_unsigned", "Two plus two is four.", "The answer is 4.", "stop end_turn"],
    ];
    for (const [name, reasoning, text, finish] of rows) {
      const answer = fold(bedrockConverse.decodeAnswer(json(join(GATEWAY, `response/bedrock/${name}.json`)), CONTEXT));
      assert.deepEqual([answer.reasoning, answer.text, answer.finish, answer.usage?.units], [reasoning, text, [finish], { input: 18, output: 46 }]);
    }
  });

  /** Its body of a chat request, beside ours. */
  function bodies(name: string): { readonly theirs: JsonObject; readonly ours: JsonObject } {
    const parsed = parseChatRequest(json(join(GATEWAY, `requests/completions/${name}.json`)) as JsonObject);
    assert.equal(parsed.kind, "request");
    const snapshot = readFileSync(join(GATEWAY, `requests/completions/${name}.bedrock.snap`), "utf8");
    const theirs = (JSON.parse(snapshot.slice(snapshot.lastIndexOf("\n---\n") + 5)) as { request: JsonObject }).request;
    const ours = encoded(parsed.kind === "request" ? parsed.request : {}, target("anthropic.claude-sonnet-4-20250514-v1:0", {})).body;
    return { theirs, ours };
  }

  test("its body of a plain request is ours, but for a limit that it adds", () => {
    const { theirs, ours } = bodies("basic");
    // Absent, the host takes the model's own maximum: a limit that nobody asked for would cut answers.
    assert.deepEqual(theirs.inferenceConfig, { maxTokens: 4_096 });
    assert.deepEqual({ ...ours, inferenceConfig: theirs.inferenceConfig }, theirs);
  });

  test("case 8: its body of parallel calls is ours, but for the stand-in's name and members of null", () => {
    const { theirs, ours } = bodies("parallel-tool-call");
    const plain = JSON.parse(JSON.stringify(theirs), (_key, value: Json) => (value === null ? undefined : value)) as JsonObject;
    assert.deepEqual(ours.messages, plain.messages);
    assert.match(JSON.stringify(plain.toolConfig), /agentgateway_dummy_do_not_call/);
    assert.match(JSON.stringify(ours.toolConfig), /no_tool_available/);
  });
});
