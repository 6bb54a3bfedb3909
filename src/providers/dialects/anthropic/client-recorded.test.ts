/** Recorded answers of many providers, written down for clients of this dialect: nothing of their content is lost. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { StreamEvent } from "../../../wire/events.ts";
import type { Json } from "../../../wire/json.ts";
import { inputTokens, outputTokens } from "../../../wire/usage.ts";
import type { DecodeContext, Dialect } from "../dialect.ts";
import { gemini } from "../gemini/index.ts";
import { plainUsage } from "../openai/test-target.ts";
import { openaiChat } from "../openai/upstream.ts";
import { anthropicClient } from "./client.ts";
import { frames, head, reread } from "./client-test-support.ts";
import { anthropicMessages } from "./index.ts";
import { upstreamCallId } from "./names.ts";
import { CONTEXT, fold } from "./test-hub.ts";

const ROOT = join(process.env.SPILLWAY_SHARED ?? "../shared", "data/fixtures/ai-sdk");
const skip = existsSync(ROOT) ? false : "shared data is absent";
const FOLDERS: Readonly<Record<string, Dialect>> = {
  anthropic: anthropicMessages, google: gemini, "google-vertex": gemini, alibaba: openaiChat, azure: openaiChat, "deepseek/chat": openaiChat, groq: openaiChat,
  mistral: openaiChat, moonshotai: openaiChat, "openai-compatible/chat": openaiChat, "openai/chat": openaiChat, perplexity: openaiChat, togetherai: openaiChat, xai: openaiChat,
};
const context: DecodeContext = { ...CONTEXT, usage: plainUsage };

function decoded(dialect: Dialect, file: string): readonly StreamEvent[] {
  const text = readFileSync(join(ROOT, file), "utf8");
  if (!file.endsWith(".chunks.txt")) return dialect.decodeAnswer(JSON.parse(text) as Json, context);
  const decoder = dialect.openStream(context);
  const events = text.split("\n").filter((line) => line.trim() !== "").flatMap((line) => [...decoder.push({ event: "", data: line })]);
  // Recordings hold no `[DONE]`.
  return [...events, ...(dialect.id === "openai-chat" ? decoder.push({ event: "", data: "[DONE]" }) : []), ...decoder.end()];
}

/** What a user gets: words, reasoning, calls with their arguments as values, the way it ended. */
function content(events: readonly StreamEvent[]): unknown {
  const first = events.filter((event) => !("choice" in event) || event.choice === 0);
  const { text, refusal, reasoning, finish } = fold(first);
  const calls: { id: string; name: string; json: string }[] = [];
  for (const event of first) {
    if (event.kind === "tool-start") calls[event.index] = { id: upstreamCallId(event.id), name: event.name, json: "" };
    if (event.kind === "tool-arguments" && calls[event.index] !== undefined) (calls[event.index] as { json: string }).json += event.json;
  }
  const proofs = first.flatMap((event) => (event.kind === "signature" && event.inExtraContent !== true ? [event.signature] : event.kind === "redacted" ? [event.data] : []));
  return {
    text: text + refusal, reasoning, proofs, finish: refusal === "" ? finish[0]?.split(" ")[0] : "content_filter",
    calls: calls.map(({ json, ...call }) => ({ ...call, input: JSON.parse(json === "" ? "{}" : json) as unknown })),
  };
}

describe("a recorded answer", { skip }, () => {
  const files = skip === false ? Object.entries(FOLDERS).flatMap(([folder, dialect]) => (existsSync(join(ROOT, folder)) ? readdirSync(join(ROOT, folder)) : [])
    .filter((name) => /\.(json|chunks\.txt)$/.test(name)).map((name) => ({ file: `${folder}/${name}`, dialect }))) : [];
  // Errors, other endpoints and answers without an end never reach the encoder: the pipeline fails them before.
  const answers = files.map((one) => ({ ...one, events: decoded(one.dialect, one.file) }))
    .filter(({ events }) => events.some(({ kind }) => kind === "finish") && !events.some(({ kind }) => kind === "error"));

  test("is there in numbers that prove something", () => {
    assert.ok(answers.length > 60, `${answers.length} of ${files.length} recordings are answers`);
  });

  for (const { file, events } of answers) {
    const told = fold(events);
    // Without content the reader of this dialect takes an ordinary end for a failure, rightly.
    const hasContent = told.text !== "" || told.reasoning !== "" || told.tools.length > 0 || told.refusal !== "";

    test(`${file} keeps its content and its usage`, () => {
      const usage = told.usage ?? { units: { input: 0, output: 0 }, raw: null };
      const streamed = reread(frames(events.filter(({ kind }) => kind !== "usage" && kind !== "warning" && kind !== "end"), usage));
      const whole = anthropicMessages.decodeAnswer(anthropicClient.encodeAnswer(events, head()), CONTEXT);
      for (const read of [streamed, whole]) {
        if (hasContent) assert.deepEqual(content(read), content(events));
        const units = fold(read).usage?.units ?? {};
        assert.deepEqual([inputTokens(units), outputTokens(units), units.cache_read ?? 0], [inputTokens(usage.units), outputTokens(usage.units), usage.units.cache_read ?? 0]);
      }
    });
  }
});
