/**
 * Every recorded provider answer there is decodes under its own protocol, and gives what a second, plain reading of the
 * file gives. What the decoders do with single protocols in detail is told beside them.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { dialectById } from "../../src/providers/dialects/index.ts";
import type { DecodeContext } from "../../src/providers/dialects/dialect.ts";
import { PROVIDERS } from "../../src/providers/registry.ts";
import type { StreamEvent } from "../../src/wire/events.ts";
import type { DialectId } from "../../src/wire/facts.ts";
import { asArray, asString, isObject, member, type Json } from "../../src/wire/json.ts";
import type { SseEvent } from "../../src/wire/sse-event.ts";
import { inputTokens, outputTokens } from "../../src/wire/usage.ts";
import { ANSWERS, CONTRADICTORY, ERRORS, NOT_ANSWERS, type Recorded } from "./answers.ts";
import { filesUnder, jsonOf, linesOf, recordingsAbsent } from "./folder.ts";
import { holdsOfAnswer, holdsOfStream, type Holds } from "./plain-reader.ts";

const FOLDER = "ai-sdk";

function contextOf(provider: string): DecodeContext {
  const facts = PROVIDERS.get(provider);
  assert.ok(facts !== undefined, provider);
  return { provider, usage: facts.usage, upstreamModel: "recorded" };
}

/** The events of a file, one JSON a line; one file holds them as they stood on the wire. */
function eventsOf(file: string): readonly Json[] {
  const lines = linesOf(`${FOLDER}/${file}`);
  const data = file.endsWith(".sse") ? lines.map((line) => line.slice("data: ".length)).filter((line) => line.startsWith("{")) : lines;
  return data.map((line) => JSON.parse(line) as Json);
}

/** A file may hold several answers: each begins with its protocol's opening, or under another id after an end. */
function answersOf(dialect: DialectId, events: readonly Json[]): readonly (readonly Json[])[] {
  const answers: Json[][] = [];
  for (const event of events) {
    const current = answers.at(-1);
    if (current === undefined || begins(dialect, event, current)) answers.push([event]);
    else current.push(event);
  }
  return answers;
}

function begins(dialect: DialectId, event: Json, before: readonly Json[]): boolean {
  const type = asString(member(event, "type"));
  if (dialect === "openai-responses") return type === "response.created";
  // A host was seen to send the opening twice: only after an end does it begin another answer.
  return dialect === "anthropic-messages" && type === "message_start" && before.some((one) => member(one, "type") === "message_stop");
}

/** An event as the framing hands it to a decoder. */
function framed(dialect: DialectId, event: Json): SseEvent {
  if (dialect !== "bedrock-converse") return { event: asString(member(event, "type")) ?? "", data: JSON.stringify(event) };
  const [[type, data] = ["", null]] = isObject(event) ? Object.entries(event) : [];
  return { event: type, data: JSON.stringify(data) };
}

function decodeStream({ dialect, provider }: Pick<Recorded, "dialect" | "provider">, events: readonly Json[]): readonly StreamEvent[] {
  const decoder = dialectById(dialect).openStream(contextOf(provider));
  const decoded = events.flatMap((event) => [...decoder.push(framed(dialect, event))]);
  // The recordings of this protocol hold no terminal line.
  const terminal = dialect === "openai-chat" ? decoder.push({ event: "", data: "[DONE]" }) : [];
  return [...decoded, ...terminal, ...decoder.end()];
}

function holdsOfEvents(events: readonly StreamEvent[]): Holds {
  const usage = events.findLast((event) => event.kind === "usage")?.usage;
  const finish = events.find((event) => event.kind === "finish");
  return [
    events.map((event) => (event.kind === "text" && event.choice === 0 ? event.text : "")).join("").length,
    events.flatMap((event) => (event.kind === "tool-start" ? [event.name] : [])),
    finish?.native ?? "",
    usage === undefined ? null : [inputTokens(usage.units), outputTokens(usage.units)],
  ];
}

/** Whatever is decoded must be whole: begun once, ended once, nothing told as broken, all arguments JSON. */
function assertWhole(events: readonly StreamEvent[]): void {
  assert.deepEqual(events.filter((event) => event.kind === "error"), []);
  assert.equal(events.filter((event) => event.kind === "start").length, 1);
  assert.equal(events.filter((event) => event.kind === "finish").length, 1);
  assert.equal(events.at(-1)?.kind, "end");
  const calls = events.flatMap((event) => (event.kind === "tool-start" ? [event.index] : []));
  for (const index of calls) {
    const json = events.map((event) => (event.kind === "tool-arguments" && event.index === index ? event.json : "")).join("");
    assert.ok(isObject(JSON.parse(json)), json);
  }
}

describe("recorded answers", { skip: recordingsAbsent }, () => {
  const files = filesUnder(FOLDER);

  test("are all accounted for, each once: as an answer, as an error, or with the reason why it is neither", () => {
    const listed = [...Object.keys(ANSWERS), ...Object.keys(ERRORS), ...Object.keys(NOT_ANSWERS)];
    assert.deepEqual(listed.toSorted(), files);
    assert.deepEqual([Object.keys(ANSWERS).length, Object.keys(ERRORS).length, Object.keys(NOT_ANSWERS).length], [180, 6, 24]);
    for (const file of Object.keys(CONTRADICTORY)) assert.ok(file in ANSWERS, file);
  });

  for (const [file, recorded] of Object.entries(ANSWERS)) {
    test(`${file} decodes to what it holds, read twice`, () => {
      const { form, dialect, provider, holds } = recorded;
      assert.equal(form === "answer", file.endsWith(".json"));
      const bodies = form === "answer" ? [jsonOf(`${FOLDER}/${file}`)] : answersOf(dialect, eventsOf(file));
      const plain = bodies.map((body) => (form === "answer" ? holdsOfAnswer(dialect, body) : holdsOfStream(dialect, asArray(body))));
      assert.deepEqual(plain, holds, "the plain reading");
      const decoded = bodies.map((body) => (form === "answer" ? dialectById(dialect).decodeAnswer(body, contextOf(provider)) : decodeStream(recorded, asArray(body))));
      for (const events of decoded) assertWhole(events);
      const contradictory = CONTRADICTORY[file];
      assert.deepEqual(decoded.map(holdsOfEvents), contradictory === undefined ? holds : [contradictory.decoded], "the decoder");
    });
  }

  for (const [file, recorded] of Object.entries(ERRORS)) {
    test(`${file} is an error of class ${recorded.class}`, () => {
      const { dialect, status } = recorded;
      if (status === null) {
        const last = decodeStream(recorded, eventsOf(file)).at(-1);
        assert.equal(last?.kind === "error" ? last.error.class : last?.kind, recorded.class);
        return;
      }
      const body = jsonOf(`${FOLDER}/${file}`);
      const error = dialectById(dialect).readError(status, () => undefined, body, JSON.stringify(body), 0);
      assert.deepEqual([error.class, error.message], [recorded.class, member(member(body, "error"), "message")]);
      // Told within a 200 it is no answer either.
      assert.deepEqual(dialectById(dialect).decodeAnswer(body, contextOf(recorded.provider)).map(({ kind }) => kind), ["error"]);
    });
  }

  for (const [file, reason] of Object.entries(NOT_ANSWERS)) {
    test(`${file} is never taken for an answer: ${reason}`, () => {
      const json = file.endsWith(".json");
      for (const dialect of ["openai-chat", "openai-responses", "anthropic-messages", "gemini", "bedrock-converse", "cohere-v2"] as const) {
        const events = json ? dialectById(dialect).decodeAnswer(jsonOf(`${FOLDER}/${file}`), contextOf("openai")) : decodeStream({ dialect, provider: "openai" }, eventsOf(file));
        assert.equal(events.some((event) => event.kind === "end"), false, dialect);
      }
    });
  }
});
