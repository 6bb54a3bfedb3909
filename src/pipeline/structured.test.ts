/** Structured output for models that have none: asked in words, held, checked, mended once, billed to the last token. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ScriptedCall } from "./test-upstream.ts";
import { DONE, ROLE, delta, finish, text, usage } from "./test-upstream.ts";
import { assertBooksAgree, World, type Place } from "./test-world.ts";

const WITHOUT: Place = { name: "a", model: { jsonSchema: false } };
const SCHEMA = { type: "object", properties: { age: { type: "integer", minimum: 0 } }, required: ["age"], additionalProperties: false };
const response_format = { type: "json_schema", json_schema: { name: "person", schema: SCHEMA, strict: true } };
const body = { response_format };

const said = (content: string, more: object = {}): object => ({
  id: "u", object: "chat.completion", created: 1, model: "m", choices: [{ index: 0, message: { role: "assistant", content, ...more }, finish_reason: "stop" }],
  usage: { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 },
});
interface Sent {
  readonly response_format?: unknown;
  readonly tools?: unknown;
  readonly messages: readonly { readonly role: string; readonly content: string }[];
}
const sent = (call: ScriptedCall): Sent => JSON.parse(new TextDecoder().decode(call.request.body as Uint8Array)) as Sent;
const contentOf = (told: string): string => (JSON.parse(told) as { choices: { message: { content: string } }[] }).choices[0]?.message.content ?? "";

describe("a schema that the model cannot be held to", () => {
  it("is put into the prompt, in the system message that is there, and nothing else of the request changes", async () => {
    const world = new World({ candidates: [WITHOUT] });
    await world.ask({ body: { ...body, temperature: 0.5, unknown_field: 1, messages: [{ role: "system", content: "Be kind." }, { role: "user", content: "Who?" }] } });
    const { messages, ...rest } = sent(world.call("a"));
    assert.deepEqual(rest, { model: "m", temperature: 0.5, unknown_field: 1 });
    assert.match(messages[0]?.content ?? "", /^Be kind\.\n\nAnswer with one JSON value that is valid against the JSON Schema below.*\n\n\{"type":"object"/s);
    assert.deepEqual(messages[1], { role: "user", content: "Who?" });
  });

  it("is checked on the answer, which says that it was", async () => {
    const world = new World({ candidates: [WITHOUT] });
    const { reply } = await world.ask({ body });
    world.call("a").json(said('{"age": 4}'));
    await world.pass();
    assert.equal(reply.status, 200);
    assert.equal(contentOf(reply.text), '{"age": 4}');
    assert.match(reply.header("x-spillway-warning") ?? "", /response_format was emulated/);
    assert.equal(world.booked, "a:charged/answered");
    assert.deepEqual((world.record.decision["candidates"] as { emulates?: unknown }[])[0]?.emulates, ["json_schema"]);
    assertBooksAgree(world);
  });

  for (const [what, content] of [["a code fence", 'Here:\n```json\n{"age": 4}\n```\nDone.'], ["words around it", 'Sure! {"age": 4} Anything else?']] as const) {
    it(`is found in ${what}, which is left out with a word`, async () => {
      const world = new World({ candidates: [WITHOUT] });
      const { reply } = await world.ask({ body });
      world.call("a").json(said(content));
      await world.pass();
      assert.equal(contentOf(reply.text), '{"age": 4}');
      assert.match(reply.header("x-spillway-warning") ?? "", /what stood around the JSON was left out/);
    });
  }

  it("is sent as it is to a model of which nobody knows whether it takes one", async () => {
    const world = new World({ candidates: [{ name: "a", model: { jsonSchema: null } }] });
    const { reply } = await world.ask({ body });
    assert.deepEqual(sent(world.call("a")).response_format, response_format);
    world.call("a").json(said("no JSON at all"));
    await world.pass();
    assert.equal(contentOf(reply.text), "no JSON at all");
  });

  it("is no reason to wait for a choice of several", async () => {
    const world = new World({ candidates: [WITHOUT, { name: "b" }] });
    await world.ask({ body: { ...body, n: 2 } });
    assert.equal(world.called, "b");
  });
});

describe("an answer that does not fit", () => {
  it("is shown to its model once with what is wrong; both calls have their hold and their charge", async () => {
    const world = new World({ candidates: [WITHOUT, "b"] });
    const { reply } = await world.ask({ body });
    world.call("a").json(said('{"age": -1}'));
    await world.pass();
    assert.equal(world.called, "a a");
    const { messages } = sent(world.call("a"));
    assert.deepEqual(messages.slice(-2).map((one) => one.role), ["assistant", "user"]);
    assert.equal(messages.at(-2)?.content, '{"age": -1}');
    assert.match(messages.at(-1)?.content ?? "", /- \$\.age: must be at least 0, not -1/);
    world.call("a").json(said('{"age": 1}'));
    await world.pass();
    assert.equal(contentOf(reply.text), '{"age": 1}');
    assert.equal(reply.header("x-spillway-attempts"), "2");
    assert.match(reply.header("x-spillway-warning") ?? "", /mended by a second call/);
    assert.equal(world.booked, "a:charged/schema_mismatch a:charged/answered");
    const [first, second] = world.ledger.holds;
    assert.ok((second?.boundNanoUsd ?? 0) > 0 && first?.attemptId !== second?.attemptId);
    assert.equal(world.record.costNanoUsd, 2 * (9 * 1_000 + 3 * 2_000));
    assertBooksAgree(world);
  });

  it("twice moves the request on to the next candidate, which is asked afresh", async () => {
    const world = new World({ candidates: [WITHOUT, "b"] });
    const { reply } = await world.ask({ body });
    for (const content of ["no", '{"age": "4"}']) {
      world.call("a").json(said(content));
      await world.pass();
    }
    assert.equal(world.called, "a a b");
    assert.deepEqual(sent(world.call("b")).response_format, response_format);
    world.call("b").json(said('{"age": 4}'));
    await world.pass();
    assert.equal(reply.status, 200);
    assert.equal(reply.header("x-spillway-warning"), undefined);
    assert.equal(world.booked, "a:charged/schema_mismatch a:charged/schema_mismatch b:charged/answered");
    assertBooksAgree(world);
  });

  it("is told where nothing is left, and counts against no deployment's health", async () => {
    const world = new World({ candidates: [WITHOUT] });
    const { reply } = await world.ask({ body });
    for (const content of ["no", "still no"]) {
      world.call("a").json(said(content));
      await world.pass();
    }
    assert.equal(world.called, "a a");
    assert.equal(reply.status, 502);
    assert.equal(reply.json.error.code, "upstream_schema_mismatch");
    assert.match(reply.json.error.message, /does not fit the format that was asked: \$: is not JSON/);
    assert.equal(world.run("a"), 0);
    assertBooksAgree(world);
  });

  it("is mended whatever the retry allowance: it is a second turn and no second try", async () => {
    const world = new World({ candidates: [WITHOUT] });
    while (world.allowance.tryTake(world.clock.nowMs()));
    await world.ask({ body });
    world.call("a").json(said("no"));
    await world.pass();
    assert.equal(world.called, "a a");
  });

  it("is not mended at a deployment that has begun to rest", async () => {
    const world = new World({ candidates: [WITHOUT, "b"] });
    await world.ask({ body });
    world.rest("a");
    world.call("a").json(said("no"));
    await world.pass();
    assert.equal(world.called, "a b");
  });
});

describe("what is no answer in the form", () => {
  it("passes unchecked: a tool call", async () => {
    const world = new World({ candidates: [{ name: "a", model: { jsonSchema: false } }] });
    const tools = [{ type: "function", function: { name: "f", parameters: { type: "object" } } }];
    const { reply } = await world.ask({ body: { ...body, tools } });
    assert.match(sent(world.call("a")).messages[0]?.content ?? "", /^Unless you call a tool, answer/);
    const tool_calls = [{ id: "c1", type: "function", function: { name: "f", arguments: "{}" } }];
    const answer = said("", { content: null, tool_calls }) as { choices: { finish_reason: string }[] };
    (answer.choices[0] as { finish_reason: string }).finish_reason = "tool_calls";
    world.call("a").json(answer);
    await world.pass();
    assert.equal(reply.status, 200);
    assert.match(reply.text, /"tool_calls":\[\{/);
  });

  it("passes with a word: what the output limit cut off, which no repair would make longer", async () => {
    const world = new World({ candidates: [WITHOUT] });
    const { reply } = await world.ask({ body });
    const answer = said('{"age":') as { choices: { finish_reason: string }[] };
    (answer.choices[0] as { finish_reason: string }).finish_reason = "length";
    world.call("a").json(answer);
    await world.pass();
    assert.equal(contentOf(reply.text), '{"age":');
    assert.match(reply.header("x-spillway-warning") ?? "", /cut by the output limit and not checked/);
  });
});

describe("JSON of any kind", () => {
  it("is asked in words of a model without a mode for it, and must be an object", async () => {
    const world = new World({ candidates: [{ name: "a", provider: { quirks: { fields: { response_format: "refuse" } } } }] });
    const { reply } = await world.ask({ body: { response_format: { type: "json_object" } } });
    assert.equal(sent(world.call("a")).response_format, undefined);
    assert.match(sent(world.call("a")).messages[0]?.content ?? "", /^Answer with one JSON object and with nothing else/);
    world.call("a").json(said("[1]"));
    await world.pass();
    assert.match(sent(world.call("a")).messages.at(-1)?.content ?? "", /\$: must be an object/);
    world.call("a").json(said("{}"));
    await world.pass();
    assert.equal(contentOf(reply.text), "{}");
  });

  it("goes with a schema in words to a model that has a mode for it", async () => {
    const world = new World({ candidates: [{ name: "groq", model: { jsonSchema: false } }] });
    await world.ask({ body });
    assert.deepEqual(sent(world.call("groq")).response_format, { type: "json_object" });
  });
});

describe("a stream", () => {
  it("is held until its answer was checked, and then shown whole with its usage", async () => {
    const world = new World({ candidates: [WITHOUT, "b"], keepalive: false });
    const { reply } = await world.ask({ stream: true, body: { ...body, stream_options: { include_usage: true } } });
    world.call("a").stream(ROLE, text('{"age"'));
    await world.pass(31_000);
    assert.equal(reply.status, 0, "shown before it was checked");
    assert.equal(world.called, "a", "the clock of a JSON answer holds, not that of a first token");
    world.call("a").say(text(": 4}"), finish(), usage(), DONE);
    await world.pass();
    assert.equal(reply.shown, '{"age": 4}');
    assert.equal(reply.frames.at(-1)?.done, true);
    assert.equal(reply.frames.at(-2)?.usage?.prompt_tokens, 9);
    assert.match(reply.header("x-spillway-warning") ?? "", /the stream was held until then/);
    assert.equal(world.booked, "a:charged/answered");
    assertBooksAgree(world);
  });

  it("that does not fit shows nothing; its usage is waited for, and the mended one is shown", async () => {
    const world = new World({ candidates: [WITHOUT] });
    const { reply } = await world.ask({ stream: true, body });
    world.call("a").stream(ROLE, text("I am four."), finish());
    await world.pass();
    assert.equal(world.called, "a");
    world.call("a").say(usage(20, 7), DONE);
    await world.pass();
    assert.equal(world.called, "a a");
    assert.equal(reply.status, 0);
    world.call("a").stream(ROLE, text('{"age":4}'), finish(), usage(30, 5), DONE);
    await world.pass();
    assert.equal(reply.shown, '{"age":4}');
    assert.equal(world.booked, "a:charged/schema_mismatch a:charged/answered");
    assert.equal(world.record.costNanoUsd, (20 + 30) * 1_000 + (7 + 5) * 2_000);
    assertBooksAgree(world);
  });

  it("whose host says nothing after the finish reason is whole all the same", async () => {
    const world = new World({ candidates: [WITHOUT] });
    const { reply } = await world.ask({ stream: true, body });
    world.call("a").stream(ROLE, text('{"age":4}'), finish()).end();
    await world.pass();
    assert.equal(reply.shown, '{"age":4}');
  });

  it("that is cut off moves on like any other: nothing was shown", async () => {
    const world = new World({ candidates: [WITHOUT, "b"] });
    const { reply } = await world.ask({ stream: true, body });
    world.call("a").stream(ROLE, text('{"age"')).fail();
    await world.pass();
    assert.equal(world.called, "a b");
    assert.equal(reply.status, 0);
  });

  it("is paid for what came of it when its client leaves while it is held", async () => {
    const world = new World({ candidates: [WITHOUT] });
    const { reply } = await world.ask({ stream: true, body });
    world.call("a").stream(ROLE, text("x".repeat(4_000)));
    reply.leave();
    await world.pass();
    assert.equal(world.booked, "a:estimated/client_gone");
    assert.ok((world.record.attempts[0]?.units.output ?? 0) >= 1_000, JSON.stringify(world.record.attempts[0]?.units));
    assertBooksAgree(world);
  });

  it("of a tool call is shown as it is", async () => {
    const world = new World({ candidates: [WITHOUT] });
    const { reply } = await world.ask({ stream: true, body: { ...body, tools: [{ type: "function", function: { name: "f" } }] } });
    world.call("a").stream(ROLE, delta('{"tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]}'), finish("tool_calls"), usage(), DONE);
    await world.pass();
    assert.match(reply.text, /"name":"f"/);
    assert.equal(world.booked, "a:charged/answered");
  });
});
