/**
 * What a conforming server of the Open Responses protocol is asked: seven cases of its own compliance suite, in our words,
 * and what they leave out.
 */
import type { JsonObject } from "../../src/wire/json.ts";

export interface Case {
  /** Name in the suite, or what is asked beyond it. */
  readonly name: string;
  /** The body without `model` and `stream`. */
  readonly body: JsonObject;
  /** Whose behaviour is asked of the fleet. */
  readonly model: "chat" | "thinker";
  readonly status: "completed" | "incomplete";
  /** Kinds of items that must be among the output. */
  readonly output: readonly string[];
  /** Words that must have reached the provider. */
  readonly reaches: readonly string[];
}

const user = (content: JsonObject["content"]): JsonObject => ({ type: "message", role: "user", content });
const assistant = (content: string, more: JsonObject = {}): JsonObject => ({ type: "message", role: "assistant", content, ...more });
const plain = { model: "chat", status: "completed", output: ["message"] } as const;

/** A picture of one pixel. */
const PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII=";
const CITY = { type: "object", properties: { city: { type: "string" } }, required: ["city"], additionalProperties: false };
const tool = (name: string): JsonObject => ({ type: "function", name, description: `The ${name} of a city`, parameters: CITY, strict: true });

/** The seven cases that are asked over HTTP. */
export const COMPLIANCE: readonly Case[] = [
  { ...plain, name: "basic", body: { input: [user("Greet me in three words.")] }, reaches: ["Greet me in three words."] },
  {
    ...plain, name: "phase",
    body: { input: [user("Look into it."), assistant("I begin with the logs.", { phase: "commentary" }), assistant("It was the cable.", { phase: "final_answer" }), user("Which one?")] },
    reaches: ["I begin with the logs.", "It was the cable.", "Which one?"],
  },
  { ...plain, name: "stream", body: { input: [user("Count to five.")] }, reaches: ["Count to five."] },
  { ...plain, name: "system", body: { input: [{ type: "message", role: "system", content: "Speak as a sailor does." }, user("Good day.")] }, reaches: ["Speak as a sailor does.", "Good day."] },
  {
    ...plain, name: "tools", output: ["function_call"],
    body: { input: [user("How is the weather in Lisbon?")], tools: [tool("weather")] },
    reaches: ["How is the weather in Lisbon?", "The weather of a city"],
  },
  {
    ...plain, name: "image",
    body: { input: [user([{ type: "input_text", text: "What do you see?" }, { type: "input_image", image_url: `data:image/png;base64,${PIXEL}` }])] },
    reaches: ["What do you see?", PIXEL],
  },
  {
    ...plain, name: "multi-turn",
    body: { input: [user("My name is Ada."), assistant("Good day, Ada."), user("What is my name?")] },
    reaches: ["My name is Ada.", "Good day, Ada.", "What is my name?"],
  },
];

/** Shapes of an answer that the seven do not bring about. */
export const BEYOND: readonly Case[] = [
  { ...plain, name: "several calls", output: ["function_call"], body: { input: "Weather and time in Lisbon?", tools: [tool("weather"), tool("time")], parallel_tool_calls: true }, reaches: ["The time of a city"] },
  {
    ...plain, name: "a tool's result",
    body: {
      input: [
        user("How is the weather in Lisbon?"), { type: "function_call", call_id: "call_1", name: "weather", arguments: '{"city":"Lisbon"}' },
        { type: "function_call_output", call_id: "call_1", output: "It rains in Lisbon." },
      ],
      tools: [tool("weather")],
    },
    reaches: ["It rains in Lisbon."],
  },
  { ...plain, name: "reasoning", model: "thinker", output: ["reasoning", "message"], body: { input: "Think of a number.", reasoning: { effort: "low", summary: "auto" } }, reaches: ["Think of a number."] },
  { ...plain, name: "cut off by its limit", status: "incomplete", body: { input: "Tell me a long story.", max_output_tokens: 4 }, reaches: ["Tell me a long story."] },
  {
    ...plain, name: "JSON of a schema",
    body: { instructions: "Answer in JSON.", input: "A city, please.", text: { format: { type: "json_schema", name: "city", schema: CITY, strict: true } } },
    reaches: ["A city, please."],
  },
  { ...plain, name: "metadata and settings", body: { input: "Hi.", metadata: { run: "7" }, temperature: 0.5, top_p: 0.9, store: false, truncation: "disabled" }, reaches: ["Hi."] },
];
