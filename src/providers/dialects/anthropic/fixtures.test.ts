import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { StreamEvent } from "../../../wire/events.ts";
import type { Json } from "../../../wire/json.ts";
import type { UnitCounts } from "../../../wire/usage.ts";
import { anthropicMessages } from "./index.ts";
import { CONTEXT, fold } from "./test-hub.ts";
import { USAGE_PARTIAL } from "./usage.ts";

const FOLDER = join(process.env.SPILLWAY_SHARED ?? "../shared", "data/fixtures/ai-sdk/anthropic");
const skip = existsSync(FOLDER) ? false : "shared data is absent";
const files = skip === false ? readdirSync(FOLDER).filter((name) => /\.(json|chunks\.txt)$/.test(name)).toSorted() : [];

/** [text or its length, tool calls, finish, units]. Read by hand off the recordings; a recording of several answers counts its first. */
type Row = readonly [string | number, readonly string[], string, UnitCounts];
const WEATHER = '{"elements": [{"location": "San Francisco", "temperature": 58, "condition": "sunny"}]}';
const PRESS = "The printing press was invented by Johannes Gutenberg around 1440.";
const EXPECTED: Readonly<Record<string, Row>> = {
  "anthropic-advisor-20260301.1.json": [10_746, [], "stop end_turn", { input: 5_142, output: 4_074 }],
  "anthropic-advisor-stop-reasons.json": ["", [], "stop end_turn", { input: 10, output: 20 }],
  "anthropic-claude-opus-5-reasoning-high.1.json": [2_644, [], "stop end_turn", { input: 51, output: 1_560, reasoning: 139 }],
  "anthropic-clear-thinking.1.chunks.txt": ["925 ÷ 5 = 185", [], "stop end_turn", { input: 69, output: 53 }],
  "anthropic-clear-tool-uses.1.chunks.txt": [440, [], "stop end_turn", { input: 859, output: 122 }],
  "anthropic-code-execution-20250825.1.chunks.txt": [795, [], "stop end_turn", { input: 8_050, output: 771 }],
  "anthropic-code-execution-20250825.1.json": [509, [], "stop end_turn", { input: 7_881, output: 608 }],
  "anthropic-code-execution-20250825.2.chunks.txt": [1_793, [], "stop end_turn", { input: 15_696, output: 2_479 }],
  "anthropic-code-execution-20250825.2.json": [1_563, [], "stop end_turn", { input: 12_546, output: 1_359 }],
  "anthropic-code-execution-20250825.pptx-skill.chunks.txt": [2_870, [], "stop end_turn", { input: 320_032, output: 5_558 }],
  "anthropic-code-execution-20250825.pptx-skill.json": [3_971, [], "stop end_turn", { input: 950_648, output: 13_856 }],
  "anthropic-code-execution-20260120-prompt-cache.1.chunks.txt": [
    62, [], "stop end_turn",
    { input: 6, cache_read: 6_289, cache_write_5m: 3_337, output: 198 },
  ],
  "anthropic-code-execution-file-upload.1.chunks.txt": [1_022, [], "stop end_turn", { input: 11_505, output: 1_103 }],
  "anthropic-combined-context-editing.1.chunks.txt": [362, [], "stop end_turn", { input: 50, output: 485 }],
  "anthropic-combined-context-editing.1.json": [391, [], "stop end_turn", { input: 50, output: 418 }],
  "anthropic-compaction.1.chunks.txt": [8_518, [], "stop end_turn", { input: 60_997, output: 3_341 }],
  "anthropic-compaction.1.json": [4_384, [], "stop end_turn", { input: 61_067, output: 1_912 }],
  "anthropic-fallback.chunks.txt": [PRESS, [], "stop end_turn", { input: 820, output: 264 }],
  "anthropic-fallback.json": [PRESS, [], "stop end_turn", { input: 820, output: 264 }],
  "anthropic-json-other-tool.1.chunks.txt": [
    "", ['toolu_019Zvehfe1XQWweT1pm7okyt weather {"location": "San Francisco"}'], "tool_calls tool_use", { input: 843, output: 28 },
  ],
  "anthropic-json-other-tool.1.json": [
    "", ['toolu_01PQjhxo3eirCdKNvCJrKc8f weather {"location":"San Francisco"}'], "tool_calls tool_use", { input: 843, output: 28 },
  ],
  "anthropic-json-output-format.1.chunks.txt": [1_267, [], "stop end_turn", { input: 313, output: 305 }],
  "anthropic-json-tool.1.chunks.txt": ["", [`toolu_01KFbKqPYSuAKujiL6mTfzYA json ${WEATHER}`], "tool_calls tool_use", { input: 849, output: 47 }],
  "anthropic-json-tool.2.chunks.txt": [
    "I'll invoke the JSON response tool.", [`toolu_01KFbKqPYSuAKujiL6mTfzYA json ${WEATHER}`], "tool_calls tool_use", { input: 849, output: 47 },
  ],
  "anthropic-mcp.1.chunks.txt": [
    "The echo tool responded back with: **hello world**\n\nIt simply echoed back the exact message that was sent to it.", [],
    "stop end_turn", { input: 1_250, output: 83 },
  ],
  "anthropic-mcp.1.json": [
    'The echo tool responded back with: **"hello world"**\n\nAs expected, it simply echoes back the exact message that was sent to it!', [],
    "stop end_turn", { input: 1_250, output: 88 },
  ],
  "anthropic-message-delta-input-tokens.chunks.txt": ["pong", [], "stop end_turn", { input: 61, output: 2 }],
  "anthropic-programmatic-tool-calling.1.chunks.txt": [
    157, ['toolu_019jKkXz4jAdwHweHBw92CVY rollDie {"player":"player1"}'], "tool_calls tool_use", { input: 3_369, output: 725 },
  ],
  "anthropic-refusal.chunks.txt": ["", [], "content_filter refusal", { input: 18, output: 5 }],
  "anthropic-refusal.json": ["", [], "content_filter refusal", { input: 18, output: 5 }],
  "anthropic-text.chunks.txt": [
    "Hello! I'm doing well, thank you for asking. How are you doing today? Is there anything I can help you with?", [],
    "stop end_turn", { input: 12, output: 30 },
  ],
  "anthropic-text.json": [105, [], "stop end_turn", { input: 12, output: 29 }],
  "anthropic-tool-no-args.chunks.txt": [
    "I'll update the issue list for you.", ["toolu_01QE1WLsSVp5hy5Q3GmGTmjP updateIssueList {}"], "tool_calls tool_use", { input: 565, output: 48 },
  ],
  "anthropic-tool-no-args.json": [255, ["toolu_01LRmxn9vGM1d2DZSDBowdZ1 updateIssueList {}"], "tool_calls tool_use", { input: 602, output: 93 }],
  "anthropic-tool-search-deferred-regex.2.json": [
    228,
    ['toolu_01Vif37vPguXdx5yxixnpvpM executeEditorOperation {"noteId":"d10aa585-982b-4bd9-984e-420f9b3717f7","operations":[{"op":"insert_node","at":{"type":"path","path":[1]},"type":"bulletedListItem","text":"bye"}]}'],
    "tool_calls tool_use", { input: 1_520, output: 203 },
  ],
  "anthropic-tool-search-deferred-regex.chunks.txt": [
    156, ['toolu_01WPkY6CkyJnFsaCqY7SZ9FX readNoteTree {"noteId": "d10aa585-982b-4bd9-984e-420f9b3717f7"}'],
    "tool_calls tool_use", { input: 904, output: 175 },
  ],
  "anthropic-tool-search-regex.1.chunks.txt": [
    85, ['toolu_01UmPwkecewaEpMupy2ywk8b get_temp_data {"location": "San Francisco, CA"}'], "tool_calls tool_use", { input: 1_681, output: 163 },
  ],
  "anthropic-tool-search-regex.1.json": [
    "I found a tool to get temperature data! Let me use it to get the weather information for San Francisco.",
    ['toolu_01X4r989CAhzqnFqDJn1gVvp get_temp_data {"location":"San Francisco, CA","unit":"fahrenheit"}'],
    "tool_calls tool_use", { input: 1_676, output: 184 },
  ],
  "anthropic-web-fetch-tool-20260209.1.json": [187, [], "stop end_turn", { input: 7_204, output: 162 }],
  "anthropic-web-fetch-tool.1.chunks.txt": [1_664, [], "stop end_turn", { input: 4_230, output: 446 }],
  "anthropic-web-fetch-tool.1.json": [1_716, [], "stop end_turn", { input: 4_234, output: 462 }],
  "anthropic-web-fetch-tool.2.json": [1_570, [], "stop end_turn", { input: 28_638, output: 365 }],
  "anthropic-web-fetch-tool.error.json": [579, [], "stop end_turn", { input: 1_902, output: 214 }],
  "anthropic-web-search-tool.1.chunks.txt": [2_402, [], "stop end_turn", { input: 15_665, output: 795, web_searches: 1 }],
  "anthropic-web-search-tool.1.json": [1_874, [], "stop end_turn", { input: 27_118, output: 600, web_searches: 2 }],
  "duplicate-message-start.chunks.txt": ["Hello, World!", [], "stop end_turn", { input: 17, output: 227 }],
};

function lines(file: string): readonly string[] {
  return readFileSync(join(FOLDER, file), "utf8").split("\n").filter((line) => line.trim() !== "");
}
function push(all: readonly string[]): readonly StreamEvent[] {
  const decoder = anthropicMessages.openStream(CONTEXT);
  const events = all.flatMap((data) => [...decoder.push({ event: String((JSON.parse(data) as { type: string }).type), data })]);
  return [...events, ...decoder.end()];
}
function decoded(file: string): readonly StreamEvent[] {
  if (file.endsWith(".chunks.txt")) return push(lines(file));
  return anthropicMessages.decodeAnswer(JSON.parse(readFileSync(join(FOLDER, file), "utf8")) as Json, CONTEXT);
}

describe("recorded answers", { skip }, () => {
  for (const file of files) {
    test(`${file} decodes to one complete answer`, () => {
      const events = decoded(file);
      const answer = fold(events);
      assert.deepEqual(answer.errors, []);
      assert.equal(answer.finish.length, 1);
      assert.equal(events.filter((event) => event.kind === "start").length, 1);
      assert.equal(events.at(-1)?.kind, "end");
      assert.equal(answer.usage?.flags?.includes(USAGE_PARTIAL) ?? false, false);
    });
  }

  for (const [file, [text, tools, finish, units]] of Object.entries(EXPECTED)) {
    // Files of the table that a copy of the data lacks fail by name, rather than shrink the table.
    test(`${file} gives the text, calls, finish and usage that were read off it`, () => {
      const answer = fold(decoded(file));
      assert.equal(typeof text === "string" ? answer.text : answer.text.length, text);
      assert.deepEqual(answer.tools, tools);
      assert.deepEqual(answer.finish, [finish]);
      assert.deepEqual(answer.usage?.units, units);
    });
  }

  test("a stream cut at any event neither throws nor passes for whole", () => {
    for (const file of files.filter((name) => name.endsWith(".chunks.txt"))) {
      const all = lines(file);
      const stop = all.findIndex((line) => line.includes('"type":"message_stop"'));
      for (let cut = 0; cut <= stop; cut++) {
        const answer = fold(push(all.slice(0, cut)));
        assert.equal(answer.ended, false, `${file} cut before event ${cut}`);
        assert.deepEqual(answer.errors, []);
        if (cut > 0) assert.notEqual(answer.usage, undefined, `${file} cut before event ${cut} has its opening usage`);
      }
    }
  });

  test("a cut before the closing usage leaves a snapshot that says so", () => {
    const answer = fold(push(lines("anthropic-text.chunks.txt").slice(0, 6)));
    assert.deepEqual(answer.usage?.units, { input: 12, output: 1 });
    assert.deepEqual(answer.usage?.flags, [USAGE_PARTIAL]);
  });

  test("reasoning and its signature come in order, before the text", () => {
    const kinds = push(lines("anthropic-clear-thinking.1.chunks.txt")).map((event) => event.kind);
    assert.deepEqual([...new Set(kinds)], ["start", "usage", "ping", "reasoning", "signature", "text", "finish", "end"]);
    const whole = decoded("anthropic-claude-opus-5-reasoning-high.1.json");
    assert.equal(fold(whole).reasoning.length, 352);
    assert.deepEqual(whole.slice(0, 4).map((event) => event.kind), ["start", "reasoning", "signature", "text"]);
  });

  test("a refusal's explanation reaches the client as a refusal", () => {
    for (const file of ["anthropic-refusal.json", "anthropic-refusal.chunks.txt"]) {
      assert.match(fold(decoded(file)).refusal, /^This request triggered restrictions on violative cyber content/);
    }
  });

  test("server-side tools are named once each", () => {
    assert.deepEqual(fold(decoded("anthropic-web-search-tool.1.json")).warnings, [
      "content of type server_tool_use has no counterpart and was left out",
      "content of type web_search_tool_result has no counterpart and was left out",
      "citations have no counterpart and were left out",
    ]);
  });
});
