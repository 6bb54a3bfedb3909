/** Answers that break off and are carried on: the client gets the whole text, one bill, and is not told a word twice. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { assertBooksAgree, PRICE_INPUT_NANO_USD, PRICE_OUTPUT_NANO_USD, World, type Asked, type Place, type RouteSpec } from "./test-world.ts";
import { delta, DONE, finish, ROLE, text, usage, type ScriptedCall } from "./test-upstream.ts";

const WORDS = ["The ", "quick\n\n", "  brown fox", " says “h\u00e9llo” ", "\u{1f98a}", " and", " goes.\n"];
const WHOLE = WORDS.join("");
const place = (name: string, more: Partial<Place> = {}): Place => ({ name, told: { prefill: true }, ...more });
const POLICY = { routes: null, models: null, residency: null, expose: "none", maxRequestNanoUsd: null, defaultMaxOutput: null, tagFields: [] } as const;
const ROUTE: RouteSpec = { candidates: [place("a"), place("b")], rescue: "continue" };

interface Sent {
  readonly messages: readonly { readonly role: string; readonly content: unknown; readonly prefix?: boolean }[];
  readonly max_completion_tokens?: number;
  readonly continue_final_message?: boolean;
  readonly add_generation_prompt?: boolean;
}
function sent(call: ScriptedCall): Sent {
  return JSON.parse(new TextDecoder().decode(call.request.body as Uint8Array)) as Sent;
}

/** What a call was shown of the answer; null: it was asked for all of it. */
function shown(call: ScriptedCall): string | null {
  const last = sent(call).messages.at(-1);
  if (last?.role !== "assistant") return null;
  return typeof last.content === "string" ? last.content : (last.content as readonly { readonly text: string }[]).map((part) => part.text).join("");
}

/** A faithful model: goes on exactly where what it is shown ends, in pieces of its own. */
function goesOn(call: ScriptedCall, pieceChars = 5): void {
  const begun = shown(call) ?? "";
  assert.ok(WHOLE.startsWith(begun), `shown ${JSON.stringify(begun)}`);
  const rest = WHOLE.slice(begun.length);
  const pieces = Array.from({ length: Math.ceil(rest.length / pieceChars) }, (_, i) => text(rest.slice(i * pieceChars, (i + 1) * pieceChars)));
  call.stream(ROLE, ...pieces, finish(), usage(20, 5), DONE);
}

const BREAKS: Readonly<Record<string, (call: ScriptedCall, world: World) => unknown>> = {
  "is reset": (call) => call.fail(),
  "ends without its end": (call) => call.end(),
  "tells an error": (call) => call.say('data: {"error":{"message":"overloaded","type":"server_error","code":null}}\n\n'),
  "is garbled": (call) => call.say("data: {{{\n\n"),
  "falls silent": (_, world) => world.pass(60_001),
};

async function broken(world: World, after: number, breaks: keyof typeof BREAKS = "is reset", ask: Parameters<World["ask"]>[0] = {}): Promise<Asked> {
  const asked = await world.ask({ stream: true, ...ask });
  world.call("a").stream(ROLE, ...WORDS.slice(0, after).map((one) => text(one)));
  await world.pass();
  await BREAKS[breaks]?.(world.call("a"), world);
  await world.pass();
  return asked;
}

function assertWhole(world: World, asked: Asked): void {
  assert.equal(asked.reply.shown, WHOLE);
  assert.equal(world.record.outcome, "ok");
  assert.ok(world.record.flags.includes("rescued"));
  assertBooksAgree(world);
  assert.ok(asked.done && asked.reply.ended && !asked.reply.destroyed);
}

describe("a stream that breaks off", () => {
  for (const breaks of Object.keys(BREAKS)) {
    for (let after = 1; after <= WORDS.length; after++) {
      it(`and ${breaks} after ${after} of ${WORDS.length} pieces is carried on to the whole text`, async () => {
        const world = new World(ROUTE);
        world.upstream.plays("b", (call) => goesOn(call));
        assertWhole(world, await broken(world, after, breaks));
        assert.equal(world.called, "a b");
        assert.equal(shown(world.call("b")), WORDS.slice(0, after).join("").trimEnd());
      });
    }
  }

  it("goes on as one answer: one id, one role, one finish, and the end of every stream", async () => {
    const world = new World(ROUTE);
    world.upstream.plays("b", (call) => goesOn(call));
    const { reply } = await broken(world, 3, "is reset", { body: { stream_options: { include_usage: true } } });
    const chunks = reply.frames.filter((frame) => frame.done !== true) as unknown as readonly { readonly id: string; readonly model: string }[];
    assert.equal(new Set(chunks.map((one) => `${one.id} ${one.model}`)).size, 1);
    assert.equal(reply.frames.filter((frame) => frame.choices?.[0]?.delta?.role !== undefined).length, 1);
    assert.equal(reply.frames.filter((frame) => typeof frame.choices?.[0]?.finish_reason === "string").length, 1);
    assert.ok(reply.text.endsWith("data: [DONE]\n\n"));
  });

  it("says in the stream who carries it on, where clients do not look", async () => {
    const world = new World(ROUTE);
    world.upstream.plays("b", (call) => goesOn(call));
    const { reply } = await broken(world, 3);
    assert.ok(reply.text.includes(': spillway {"rescued":{"from":"a/m","to":"b/m"}}\n\n'));
    assert.equal(reply.comments, 1);
  });

  it("names no deployment to a caller who is told none", async () => {
    const world = new World(ROUTE);
    world.upstream.plays("b", (call) => goesOn(call));
    const asked = await broken(world, 3, "is reset", { policy: POLICY });
    assertWhole(world, asked);
    assert.ok(asked.reply.text.includes(': spillway {"rescued":true}\n\n') && !/\b[ab]\/m\b/.test(asked.reply.text));
  });

  it("is one bill: the usage is that of both calls, the cost as well, and the spillway object says so", async () => {
    const world = new World(ROUTE);
    world.upstream.plays("b", (call) => goesOn(call));
    const { reply } = await broken(world, 3, "is reset", { body: { stream_options: { include_usage: true } } });
    const [a, b] = world.record.attempts;
    assert.deepEqual([a?.state, b?.state, a?.outcome, b?.outcome], ["estimated", "charged", "network", "answered"]);
    const told = reply.frames.find((frame) => frame.spillway !== undefined) as unknown as { readonly usage: { readonly prompt_tokens: number; readonly completion_tokens: number }; readonly spillway: unknown };
    const units = world.record.units;
    assert.deepEqual([told.usage.prompt_tokens, told.usage.completion_tokens], [units.input, units.output]);
    assert.equal((units.input ?? 0) - 20, a?.units.input);
    const cost = (units.input ?? 0) * PRICE_INPUT_NANO_USD + (units.output ?? 0) * PRICE_OUTPUT_NANO_USD;
    assert.equal(world.record.costNanoUsd, cost);
    assert.deepEqual(told.spillway, { cost_usd: cost / 1e9, estimated: true, rescued: { calls: 2 } });
  });

  it("has a hold for each call, the second bounded with what it is shown, and its record names both writers", async () => {
    const world = new World(ROUTE);
    world.upstream.plays("b", (call) => goesOn(call));
    await broken(world, 5, "is reset", { body: { max_completion_tokens: 100 } });
    const [first, second] = world.ledger.holds;
    assert.deepEqual([first?.number, second?.number], [1, 2]);
    assert.ok((second?.boundNanoUsd ?? 0) > (first?.boundNanoUsd ?? 0), "it reads the answer as well");
    assert.ok((second?.inputEstimateTokens ?? 0) > (first?.inputEstimateTokens ?? 0));
    assert.equal(world.record.deployment, "b/m");
    assert.deepEqual((world.record.decision as { readonly written_by: unknown }).written_by, ["a/m", "b/m"]);
    assert.ok(!world.record.flags.includes("overrun"));
    const asked = sent(world.call("b")).max_completion_tokens ?? 0;
    assert.ok(asked >= 80 && asked < 100, `${asked} tokens of 100 are left`);
  });

  it("counts its first content from the first deployment's, however long the rest takes", async () => {
    const world = new World(ROUTE);
    await broken(world, 2);
    await world.pass(7_000);
    goesOn(world.call("b"));
    await world.pass();
    assert.equal(world.record.ttftMs, 0);
    assert.ok(world.record.totalMs >= 7_000);
  });

  it("is carried on twice at most, and then ends in the error that broke it", async () => {
    const world = new World({ ...ROUTE, candidates: [place("a"), place("b"), place("c"), place("d")] });
    const half = (call: ScriptedCall): void => {
      const rest = WHOLE.slice((shown(call) ?? "").length);
      call.stream(ROLE, text(rest.slice(0, 6))).fail();
    };
    world.upstream.plays("b", half);
    world.upstream.plays("c", half);
    const { reply } = await broken(world, 1);
    assert.equal(world.called, "a b c");
    assert.equal(reply.shown, WHOLE.slice(0, "The".length + 6 + 6));
    assert.deepEqual([reply.frames.at(-1)?.error?.code, world.record.outcome], ["upstream_unreachable", "error_after_content"]);
    assert.ok(world.record.flags.includes("rescue_failed") && !world.record.flags.includes("rescued"));
    assertBooksAgree(world);
  });

  it("is whole after two breaks as well", async () => {
    const world = new World({ ...ROUTE, candidates: [place("a"), place("b"), place("c")] });
    world.upstream.plays("b", (call) => call.stream(ROLE, text(WHOLE.slice((shown(call) ?? "").length).slice(0, 9))).end());
    world.upstream.plays("c", (call) => goesOn(call));
    assertWhole(world, await broken(world, 2));
    assert.equal(world.record.attempts.length, 3);
  });

  it("ends in its own error where whoever is to go on fails before a word", async () => {
    const world = new World(ROUTE);
    world.upstream.plays("b", (call) => call.refuse(500, "b is ill"));
    const { reply } = await broken(world, 2);
    assert.equal(reply.frames.at(-1)?.error?.code, "upstream_unreachable");
    assert.match(reply.frames.at(-1)?.error?.message ?? "", /a\/m broke off/);
    assert.equal(reply.shown, WORDS.slice(0, 2).join(""));
    assert.equal(world.record.deployment, "a/m");
    assertBooksAgree(world);
  });

  it("goes to the next one where the first to go on fails before a word", async () => {
    const world = new World({ ...ROUTE, candidates: [place("a"), place("b"), place("c")] });
    world.upstream.plays("b", (call) => call.refuse(503));
    world.upstream.plays("c", (call) => goesOn(call));
    assertWhole(world, await broken(world, 4));
  });

  it("goes to the next one where the first does not take a begun answer after all", async () => {
    const world = new World({ ...ROUTE, candidates: [place("a"), place("b"), place("c")] });
    world.upstream.plays("b", (call) => call.refuse(400, "This model does not support assistant message prefill."));
    world.upstream.plays("c", (call) => goesOn(call));
    assertWhole(world, await broken(world, 4));
  });

  it("ends in the typed error, and in order, where the gateway stops meanwhile", async () => {
    const world = new World(ROUTE);
    const asked = await broken(world, 3);
    asked.exchange?.stopNow();
    await world.pass();
    assert.deepEqual([asked.reply.frames.at(-1)?.error?.code, world.call("b").aborted, asked.done], ["stopping", true, true]);
    assertBooksAgree(world);
  });

  it("is carried on for a client that reads slowly as well: whoever goes on waits for it", async () => {
    const world = new World(ROUTE);
    const asked = await world.ask({ stream: true });
    asked.reply.slow = true;
    world.call("a").stream(ROLE, text(WORDS[0] as string));
    await world.pass();
    assert.ok(world.call("a").paused);
    world.call("a").fail();
    await world.pass();
    world.call("b").stream(ROLE, text(" quick\n\n"));
    await world.pass();
    assert.ok(world.call("b").paused);
    asked.reply.drain();
    assert.ok(!world.call("b").paused);
    world.call("b").say(text(WHOLE.slice("The quick\n\n".length)), finish(), usage(), DONE);
    await world.pass();
    assertWhole(world, asked);
  });

  it("passes over who is not known to go on with a begun answer, and ends where nobody is", async () => {
    const world = new World({ ...ROUTE, candidates: [place("a"), "b", place("c")] });
    world.upstream.plays("c", (call) => goesOn(call));
    assertWhole(world, await broken(world, 4));
    assert.equal(world.called, "a c");
    const alone = new World({ ...ROUTE, candidates: [place("a"), "b"] });
    const { reply } = await broken(alone, 4);
    assert.deepEqual([alone.called, reply.frames.at(-1)?.error?.code], ["a", "upstream_unreachable"]);
    assert.deepEqual((alone.record.decision as { readonly unsupported: readonly { readonly deployment: string; readonly param: string }[] }).unsupported.map((one) => [one.deployment, one.param]), [["b/m", "rescue"]]);
  });
});

describe("whoever carries a stream on", () => {
  it("may answer with all that it was shown: that is not told again", async () => {
    const world = new World({ ...ROUTE, candidates: [place("a"), { name: "b", told: { prefill: true }, provider: { prefill: { by: "prefix", repeats: true } } }] });
    world.upstream.plays("b", (call) => {
      assert.equal(sent(call).messages.at(-1)?.prefix, true);
      call.stream(ROLE, ...WHOLE.split("").map((one) => text(one)), finish(), usage(), DONE);
    });
    assertWhole(world, await broken(world, 5));
  });

  it("may say the last words once more: they are not told again", async () => {
    const world = new World(ROUTE);
    world.upstream.plays("b", (call) => call.stream(ROLE, text(WHOLE.slice((shown(call) ?? "").length - 24)), finish(), usage(), DONE));
    assertWhole(world, await broken(world, 6));
  });

  it("may think before it goes on: that stands behind words that were said, and is not shown", async () => {
    const world = new World(ROUTE);
    world.upstream.plays("b", (call) => call.stream(ROLE, delta('{"reasoning_content":"Where was I?"}'), text(WHOLE.slice((shown(call) ?? "").length)), finish(), usage(), DONE));
    const asked = await broken(world, 2);
    assertWhole(world, asked);
    assert.ok(!asked.reply.text.includes("Where was I?"));
  });

  it("may call a tool where the text allows it", async () => {
    const world = new World(ROUTE);
    const call = delta('{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"f","arguments":"{}"}}]}');
    world.upstream.plays("b", (one) => one.stream(ROLE, text(" quick."), call, finish("tool_calls"), usage(), DONE));
    const { reply } = await broken(world, 1, "is reset", { body: { tools: [{ type: "function", function: { name: "f" } }] } });
    assert.equal(reply.shown, "The quick.");
    assert.ok(reply.text.includes('"call_1"') && world.record.outcome === "ok");
  });

  it("may be the one that was put aside when another was faster", async () => {
    const world = new World({ ...ROUTE, clocks: { firstTokenMs: 1_000 } });
    const asked = await world.ask({ stream: true });
    await world.pass(1_500);
    assert.equal(world.called, "a b", "a is late, b starts beside it");
    world.call("a").stream(ROLE, text(WORDS[0] as string));
    await world.pass();
    assert.ok(world.call("b").aborted);
    world.upstream.plays("b", (call) => goesOn(call));
    world.call("a").fail();
    await world.pass();
    assert.equal(world.called, "a b b");
    assertWhole(world, asked);
  });

  it("is asked in its own protocol, and read so", async () => {
    const world = new World({ ...ROUTE, candidates: [place("a"), place("c", { provider: { dialect: "anthropic-messages" } })] });
    const event = (type: string, rest: object): string => `event: ${type}\ndata: ${JSON.stringify({ type, ...rest })}\n\n`;
    world.upstream.plays("c", (call) => {
      const rest = WHOLE.slice((shown(call) ?? "").length);
      const message = { id: "m", type: "message", role: "assistant", model: "m", content: [], stop_reason: null, stop_sequence: null, usage: { input_tokens: 9, output_tokens: 1 } };
      const frames = rest === "" ? [] : [event("content_block_start", { index: 0, content_block: { type: "text", text: "" } }), event("content_block_delta", { index: 0, delta: { type: "text_delta", text: rest } }), event("content_block_stop", { index: 0 })];
      call.stream(event("message_start", { message }), ...frames, event("message_delta", { delta: { stop_reason: "end_turn", stop_sequence: null }, usage: { output_tokens: 5 } }), event("message_stop", {}));
    });
    assertWhole(world, await broken(world, 3));
    const ended = new World({ ...ROUTE, candidates: [place("a"), place("c", { provider: { dialect: "anthropic-messages" } })] });
    ended.upstream.plays("c", (call) => {
      const message = { id: "m", type: "message", role: "assistant", model: "m", content: [], stop_reason: null, stop_sequence: null, usage: { input_tokens: 9, output_tokens: 1 } };
      call.stream(event("message_start", { message }), event("message_delta", { delta: { stop_reason: "end_turn", stop_sequence: null }, usage: { output_tokens: 1 } }), event("message_stop", {}));
    });
    assertWhole(ended, await broken(ended, WORDS.length));
  });
});

describe("a stream that breaks off is not carried on", () => {
  const NOT: readonly (readonly [why: string, body: Readonly<Record<string, unknown>>, frames: readonly string[]])[] = [
    ["once a tool call has begun", {}, [text("Let me see. "), delta('{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"f","arguments":"{"}}]}')]],
    ["in the midst of visible reasoning", {}, [delta('{"reasoning_content":"Hm, "}')]],
    ["where it refuses", {}, [delta('{"refusal":"I can"}')]],
    ["in JSON mode", { response_format: { type: "json_object" } }, [text('{"a":')]],
    ["under a schema", { response_format: { type: "json_schema", json_schema: { name: "s", schema: { type: "object" } } } }, [text('{"a":')]],
    ["where there are several choices", { n: 2 }, [text("x", 0), text("y", 1)]],
    ["with log probabilities", { logprobs: true }, [text("x")]],
    ["where a tool has to be called", { tools: [{ type: "function", function: { name: "f" } }], tool_choice: "required" }, [text("x")]],
    ["where the client itself began it", { messages: [{ role: "user", content: "hi" }, { role: "assistant", content: "Once" }] }, [text(" upon")]],
    ["before anything but white space came", {}, [text("\n\n ")]],
  ];
  for (const [why, body, frames] of NOT) {
    it(why, async () => {
      const world = new World(ROUTE);
      const { reply } = await world.ask({ stream: true, body });
      world.call("a").stream(ROLE, ...frames).fail();
      await world.pass();
      assert.deepEqual([world.called, reply.frames.at(-1)?.error?.code], ["a", "upstream_unreachable"]);
      assertBooksAgree(world);
    });
  }

  it("on a route that does not ask for it", async () => {
    const world = new World({ candidates: [place("a"), place("b")] });
    const { reply } = await broken(world, 3);
    assert.deepEqual([world.called, reply.frames.at(-1)?.error?.code], ["a", "upstream_unreachable"]);
  });

  it("after the deadline of its request", async () => {
    const world = new World({ ...ROUTE, clocks: { deadlineMs: 20_000, idleMs: 30_000 } });
    const { reply } = await broken(world, 3, "falls silent");
    assert.deepEqual([world.called, reply.frames.at(-1)?.error?.code], ["a", "upstream_timeout"]);
  });

  it("by a call whose first word does not come by the deadline", async () => {
    const world = new World({ ...ROUTE, clocks: { deadlineMs: 20_000 } });
    const { reply } = await broken(world, 3);
    assert.equal(world.called, "a b");
    await world.pass(20_000);
    assert.equal(reply.frames.at(-1)?.error?.code, "upstream_unreachable");
    assertBooksAgree(world);
  });

  it("a second time without a retry that the allowance pays for; the first time is as free as any move is", async () => {
    const world = new World({ ...ROUTE, candidates: [place("a"), place("b"), place("c")] });
    while (world.allowance.tryTake(world.clock.nowMs()));
    world.upstream.plays("b", (call) => call.stream(ROLE, text(" quick")).fail());
    const { reply } = await broken(world, 1);
    assert.deepEqual([world.called, reply.frames.at(-1)?.error?.code, reply.shown], ["a b", "upstream_unreachable", "The quick"]);
    assert.ok(world.record.flags.includes("retry_allowance_spent"));
  });

  it("without a hold", async () => {
    const world = new World(ROUTE);
    const asked = await world.ask({ stream: true });
    world.call("a").stream(ROLE, text("The "));
    await world.pass();
    world.ledger.answers.push({ kind: "refused", code: "budget_exceeded", scope: "key/app", message: "A budget does not allow this call.", resetsAtMs: null });
    world.call("a").fail();
    await world.pass();
    assert.deepEqual([world.called, asked.reply.frames.at(-1)?.error?.code], ["a", "upstream_unreachable"]);
    assertBooksAgree(world);
  });

  it("for a client that has left: what was begun is stopped and booked", async () => {
    const world = new World(ROUTE);
    const asked = await broken(world, 3);
    asked.reply.leave();
    await world.pass();
    assert.deepEqual([world.record.outcome, world.record.deployment, world.call("b").aborted], ["client_gone", "a/m", true]);
    assertBooksAgree(world);
  });
});
