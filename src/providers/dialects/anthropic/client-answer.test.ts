import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { StreamEvent } from "../../../wire/events.ts";
import { gatewayError } from "../../../wire/errors.ts";
import { member } from "../../../wire/json.ts";
import type { UnitCounts } from "../../../wire/usage.ts";
import { anthropicClient } from "./client.ts";
import { contentOf, dataOf, event, finish, frames, head, reread, START, toolArguments, toolStart, USAGE } from "./client-test-support.ts";
import { fold } from "./test-hub.ts";

/** Type of each frame with what it is about: `content_block_delta 0 text_delta Hi`. */
function lines(text: string): readonly string[] {
  return dataOf(text).map((data) => {
    const { type, index, content_block: block, delta } = data as { type: string; index?: number; content_block?: { type: string }; delta?: Record<string, string> };
    const piece = delta === undefined || type === "message_delta" ? [] : Object.values(delta);
    return [type.replace("content_block_", ""), index?.toString(), block?.type, ...piece].filter((part) => part !== undefined).join(" ");
  });
}
const ending = ["message_delta", "message_stop"];
const signature = (value: string, inExtraContent?: true): StreamEvent => ({ kind: "signature", choice: 0, signature: value, ...(inExtraContent && { inExtraContent }) });

describe("a stream", () => {
  test("opens, fills and closes one block after another", () => {
    const text = frames([START, event("reasoning", "Hm"), signature("s1"), event("text", "Hel"), event("text", "lo"), toolStart(0, "t1", "look"), toolArguments(0, '{"a":'), toolArguments(0, "1}"), finish("tool_calls", "tool_calls")]);
    assert.deepEqual(lines(text), [
      "message_start", "start 0 thinking", "delta 0 thinking_delta Hm", "delta 0 signature_delta s1", "stop 0",
      "start 1 text", "delta 1 text_delta Hel", "delta 1 text_delta lo", "stop 1",
      "start 2 tool_use", 'delta 2 input_json_delta {"a":', "delta 2 input_json_delta 1}", "stop 2", ...ending,
    ]);
  });

  test("begins with a message of nothing and ends with how it ended and what it used", () => {
    const data = dataOf(frames([START, event("text", "a"), finish("length", "MAX_TOKENS")]));
    assert.deepEqual(data[0], {
      type: "message_start",
      message: {
        id: "msg_r1", type: "message", role: "assistant", model: "claude", content: [], stop_reason: null, stop_sequence: null,
        stop_details: null, container: null, diagnostics: null,
        usage: {
          input_tokens: 0, cache_creation_input_tokens: 0, cache_read_input_tokens: 0, cache_creation: null, output_tokens: 0,
          output_tokens_details: null, server_tool_use: null, service_tier: null, inference_geo: null, speed: null,
        },
      },
    });
    assert.deepEqual(data.at(-2), {
      type: "message_delta",
      delta: { stop_reason: "max_tokens", stop_sequence: null, stop_details: null, container: null },
      usage: {
        input_tokens: 10, cache_creation_input_tokens: 0, cache_read_input_tokens: 0,
        cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 0 }, output_tokens: 5, output_tokens_details: null, server_tool_use: null,
      },
    });
  });

  test("names its frames by the type of their data", () => {
    const text = frames([START, event("text", "a"), event("text", "b"), finish("stop", "stop")]);
    for (const block of text.split("\n\n").filter((one) => one !== "")) {
      const [name, data] = block.split("\n");
      assert.equal(name, `event: ${(JSON.parse(data?.slice(6) ?? "") as { type: string }).type}`);
    }
  });

  test("case 22: a signature alone makes a block of thinking without text", () => {
    assert.deepEqual(lines(frames([START, signature("s1"), event("text", "a"), finish("stop", "stop")])).slice(1, 4), ["start 0 thinking", "delta 0 signature_delta s1", "stop 0"]);
  });

  test("case 23: redacted thinking is a block of its own", () => {
    assert.deepEqual(dataOf(frames([START, { kind: "redacted", choice: 0, data: "xyz" }, event("text", "a"), finish("stop", "stop")]))[1], {
      type: "content_block_start", index: 0, content_block: { type: "redacted_thinking", data: "xyz" },
    });
  });

  test("case 26: signatures of another maker stay out of the field for this one's", () => {
    const text = frames([START, event("reasoning", "Hm"), signature("theirs", true), toolStart(0, "t1", "look", "theirs"), finish("tool_calls", "STOP")]);
    assert.doesNotMatch(text, /theirs/);
    assert.deepEqual(lines(text).slice(1, 4), ["start 0 thinking", "delta 0 thinking_delta Hm", "stop 0"]);
  });

  test("case 11: a call without arguments has {}", () => {
    assert.deepEqual(lines(frames([START, toolStart(0, "t1", "look"), finish("tool_calls", "tool_calls")])).slice(1, 4), ["start 0 tool_use", "delta 0 input_json_delta {}", "stop 0"]);
  });

  test("case 13: ids that the API's clients would not take are mapped, the others stay", () => {
    const ids = dataOf(frames([START, toolStart(0, "call_1-A", "f"), toolArguments(0, "{}"), toolStart(1, "functions.f:0", "f"), finish("tool_calls", "x")]))
      .flatMap(({ content_block: block }) => (block === undefined ? [] : [(block as { id: string }).id]));
    assert.equal(ids[0], "call_1-A");
    assert.match(ids[1] ?? "", /^functions_f_0_[a-z0-9]+$/);
  });

  test("calls that come woven together leave one after the other", () => {
    const text = frames([
      START, toolStart(0, "a", "f"), toolStart(1, "b", "g"), toolArguments(1, '{"y":'), toolArguments(0, '{"x":'), event("text", "Done"), toolArguments(1, "2}"),
      toolArguments(0, "1}"), finish("tool_calls", "tool_calls"),
    ]);
    assert.deepEqual(lines(text).slice(1, -2), [
      "start 0 tool_use", 'delta 0 input_json_delta {"x":', "delta 0 input_json_delta 1}", "stop 0",
      "start 1 tool_use", 'delta 1 input_json_delta {"y":', "delta 1 input_json_delta 2}", "stop 1",
      "start 2 text", "delta 2 text_delta Done", "stop 2",
    ]);
  });

  test("what was held back leaves as soon as the call before it is whole", () => {
    const encoder = anthropicClient.openEncoder(head());
    const steps = [START, toolStart(0, "a", "f"), toolArguments(0, '{"x":'), toolStart(1, "b", "g"), toolArguments(1, "{}"), toolArguments(0, "1}"), event("text", "Done")];
    const counts = steps.map((one) => dataOf(String(encoder.encode(one))).length);
    // Opening, call a, its first piece, nothing twice, then the rest of a with all of b, then b's end and the text.
    assert.deepEqual(counts, [1, 1, 1, 0, 0, 4, 3]);
  });

  test("a call that was cut off in its arguments keeps nothing after it back", () => {
    const text = frames([START, toolStart(0, "a", "f"), toolArguments(0, '{"x"'), toolStart(1, "b", "g"), toolArguments(1, '{"y"'), finish("length", "length")]);
    assert.deepEqual(lines(text).slice(1, -2), ["start 0 tool_use", 'delta 0 input_json_delta {"x"', "stop 0", "start 1 tool_use", 'delta 1 input_json_delta {"y"', "stop 1"]);
  });

  test("case 49: a refusal is text that everyone sees, and a stop reason", () => {
    const data = dataOf(frames([START, event("refusal", "I cannot"), finish("stop", "stop")]));
    assert.deepEqual(data[2]?.delta, { type: "text_delta", text: "I cannot" });
    assert.deepEqual(data.at(-2)?.delta, { stop_reason: "refusal", stop_sequence: null, stop_details: { type: "refusal", category: null, explanation: null }, container: null });
  });

  test("shows no text of the reasoning to a client that wants none", () => {
    const text = frames([START, event("reasoning", "secret"), event("reasoning", "secret"), event("text", "a"), finish("stop", "stop")], USAGE, { thinking: { type: "adaptive", display: "omitted" } });
    assert.doesNotMatch(text, /secret/);
    assert.deepEqual(lines(text).slice(1, 3), ["start 0 thinking", "stop 0"]);
  });

  test("case 41: never opens twice, and opens also where the provider did not say that it began", () => {
    const again: StreamEvent = { ...START, id: "up_2" } as StreamEvent;
    assert.equal(lines(frames([START, again, event("text", "a"), again, finish("stop", "stop")])).filter((line) => line === "message_start").length, 1);
    assert.equal(lines(frames([event("text", "a"), finish("stop", "stop")]))[0], "message_start");
    assert.deepEqual(lines(frames([finish("stop", "stop")])), ["message_start", ...ending]);
  });

  test("ignores choices that cannot be asked", () => {
    assert.deepEqual(lines(frames([START, { kind: "text", choice: 1, text: "b" }, event("text", "a"), { kind: "finish", choice: 1, reason: "length", native: "x" }, finish("stop", "stop")])).slice(1, 4), ["start 0 text", "delta 0 text_delta a", "stop 0"]);
  });

  test("gives nothing for empty pieces", () => {
    const encoder = anthropicClient.openEncoder(head());
    assert.deepEqual([event("text", ""), event("reasoning", ""), event("refusal", "")].map((one) => encoder.encode(one)), ["", "", ""]);
  });

  test("case 40: fails in the dialect's own way, before and after content", () => {
    const encoder = anthropicClient.openEncoder(head());
    const failed = encoder.failed(gatewayError("upstream_overloaded", "too busy"), null);
    assert.equal(failed, 'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"too busy","details":{"error_code":"upstream_overloaded"}},"request_id":"r1"}\n\n');
    assert.equal(anthropicClient.brokenFrame(gatewayError("upstream_overloaded", "too busy"), "r1"), failed);
  });

  test("case 42: its sign of life is a ping", () => {
    assert.equal(anthropicClient.keepAlive, 'event: ping\ndata: {"type":"ping"}\n\n');
  });

  test("puts what the gateway adds beside the usage", () => {
    const encoder = anthropicClient.openEncoder(head());
    assert.deepEqual(dataOf(String(encoder.closing(USAGE, { cost_usd: 1 })))[1]?.spillway, { cost_usd: 1 });
  });

  test("maps the reasons to stop", () => {
    const reasons = (["stop stop", "stop stop_sequence", "stop pause_turn", "length length", "length model_context_window_exceeded", "tool_calls STOP", "content_filter SAFETY"] as const).map((row) => {
      const [reason, native] = row.split(" ") as ["stop", string];
      return member(dataOf(frames([START, event("text", "a"), finish(reason, native)])).at(-2)?.delta, "stop_reason");
    });
    assert.deepEqual(reasons, ["end_turn", "stop_sequence", "end_turn", "max_tokens", "model_context_window_exceeded", "tool_use", "refusal"]);
  });
});

describe("usage", () => {
  const told = (units: UnitCounts) => dataOf(frames([START, event("text", "a"), finish("stop", "stop")], { units, raw: null })).at(-2)?.usage;

  test("keeps the classes apart: input without the cache, output with its thinking", () => {
    assert.deepEqual(told({ input: 3, cache_read: 100, cache_write_5m: 20, cache_write_1h: 30, audio_input: 4, image_input: 5, output: 7, reasoning: 8, audio_output: 1, web_searches: 2 }), {
      input_tokens: 12, cache_creation_input_tokens: 50, cache_read_input_tokens: 100, cache_creation: { ephemeral_5m_input_tokens: 20, ephemeral_1h_input_tokens: 30 },
      output_tokens: 16, output_tokens_details: { thinking_tokens: 8 }, server_tool_use: { web_search_requests: 2, web_fetch_requests: 0 },
    });
  });

  test("tells no split of writes whose lifetime has no field", () => {
    const usage = told({ input: 3, cache_write_30m: 20, output: 1 }) as { cache_creation: unknown; cache_creation_input_tokens: number };
    assert.deepEqual([usage.cache_creation, usage.cache_creation_input_tokens], [null, 20]);
  });
});

describe("a whole answer", () => {
  test("holds the blocks of its stream, put together", () => {
    const events: readonly StreamEvent[] = [
      { ...START, serviceTier: "default" } as StreamEvent, event("reasoning", "H"), event("reasoning", "m"), signature("s1"), { kind: "redacted", choice: 0, data: "xyz" }, event("text", "Hel"), event("text", "lo"),
      toolStart(0, "t1", "look"), toolArguments(0, '{"a":'), toolArguments(0, "1}"), toolStart(1, "t2", "list"), finish("tool_calls", "tool_calls"), { kind: "usage", usage: USAGE }, { kind: "end" },
    ];
    assert.deepEqual(anthropicClient.encodeAnswer(events, head()), {
      id: "msg_r1", type: "message", role: "assistant", model: "claude",
      content: [
        { type: "thinking", thinking: "Hm", signature: "s1" }, { type: "redacted_thinking", data: "xyz" }, { type: "text", text: "Hello" },
        { type: "tool_use", id: "t1", name: "look", input: { a: 1 } }, { type: "tool_use", id: "t2", name: "list", input: {} },
      ],
      stop_reason: "tool_use", stop_sequence: null, stop_details: null, container: null, diagnostics: null,
      usage: {
        input_tokens: 10, cache_creation_input_tokens: 0, cache_read_input_tokens: 0, cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 0 },
        output_tokens: 5, output_tokens_details: null, server_tool_use: null, service_tier: "standard", inference_geo: null, speed: null,
      },
    });
  });

  test("wraps arguments that are no object instead of losing them", () => {
    const content = anthropicClient.encodeAnswer([toolStart(0, "t", "f"), toolArguments(0, '{"a":'), finish("length", "length")], head()).content;
    assert.deepEqual(content, [{ type: "tool_use", id: "t", name: "f", input: { INVALID_JSON: '{"a":' } }]);
  });
});

/** Events of one block as a provider gives them. */
function blockEvents(index: number): fc.Arbitrary<readonly StreamEvent[]> {
  const piece = fc.string({ unit: "binary", minLength: 1, maxLength: 8 });
  const pieces = (kind: "text" | "reasoning") => fc.array(piece, { minLength: 1, maxLength: 3 }).map((texts) => texts.map((text) => event(kind, text)));
  const call = fc.tuple(fc.dictionary(fc.string(), fc.jsonValue()), fc.nat(), fc.stringMatching(/^[a-zA-Z0-9_-]{1,12}$/)).map(([value, at, id]) => {
    const json = JSON.stringify(value);
    const cut = 1 + (at % (json.length - 1));
    return [toolStart(index, id, "look"), toolArguments(index, json.slice(0, cut)), toolArguments(index, json.slice(cut))].filter((one) => one.kind !== "tool-arguments" || one.json !== "");
  });
  return fc.oneof(
    pieces("text"),
    fc.tuple(pieces("reasoning"), fc.option(piece)).map(([events, proof]) => (proof === null ? events : [...events, signature(proof)])),
    piece.map((data): readonly StreamEvent[] => [{ kind: "redacted", choice: 0, data }]),
    call,
  );
}
const answers = fc.array(fc.nat(), { maxLength: 6 }).chain((seeds) => fc.tuple(...seeds.map((_, at) => blockEvents(at))))
  .map((blocks) => {
    let calls = 0;
    // Calls are counted within the answer, so numbers of blocks become numbers of calls.
    const numbers = new Map<number, number>();
    const events = blocks.flat().map((one) => {
      if (one.kind === "tool-start") numbers.set(one.index, calls++);
      return one.kind === "tool-start" || one.kind === "tool-arguments" ? { ...one, index: numbers.get(one.index) ?? 0 } : one;
    });
    return [...events, event("text", "!"), finish("stop", "end_turn")];
  });

describe("for any answer", () => {
  test("the upstream half of this dialect reads in the stream what was written", () => {
    fc.assert(fc.property(answers, (events) => {
      const read = reread(frames([START, ...events]));
      assert.deepEqual(contentOf(read), events);
      assert.equal(read.at(-1)?.kind, "end");
    }));
  });

  test("the whole answer says what its stream says", () => {
    fc.assert(fc.property(answers, (events) => {
      const whole = anthropicClient.encodeAnswer(events, head());
      const streamed: Record<string, unknown>[] = [];
      for (const { type, content_block: block, delta } of dataOf(frames([START, ...events])) as readonly { type: string; content_block?: object; delta?: Record<string, string> }[]) {
        if (type === "content_block_start") streamed.push({ ...block, json: "" });
        const last = streamed.at(-1);
        if (type !== "content_block_delta" || last === undefined) continue;
        for (const [from, to] of [["text", "text"], ["thinking", "thinking"], ["signature", "signature"], ["partial_json", "json"]] as const) {
          if (delta?.[from] !== undefined) last[to] = `${last[to] as string}${delta[from]}`;
        }
      }
      assert.deepEqual(whole.content, streamed.map(({ json, ...block }) => (block.type === "tool_use" ? { ...block, input: JSON.parse(json as string) as unknown } : block)));
    }));
  });

  test("calls woven together in any way come out whole and in order", () => {
    const shuffled = fc.tuple(fc.array(fc.dictionary(fc.string(), fc.integer()), { minLength: 1, maxLength: 4 }), fc.infiniteStream(fc.nat()));
    fc.assert(fc.property(shuffled, ([values, random]) => {
      const queues = values.map((value, index) => [toolStart(index, `t${index}`, "f"), ...JSON.stringify(value).split("").map((letter) => toolArguments(index, letter))]);
      const events: StreamEvent[] = [];
      let started = 0;
      while (queues.some((queue) => queue.length > 0)) {
        // A call may begin only after the one before it has.
        const open = queues.filter((queue, index) => queue.length > 0 && index <= started);
        const next = (open[(random.next().value as number) % open.length] ?? [])[0] as StreamEvent;
        queues.find((queue) => queue[0] === next)?.shift();
        if (next.kind === "tool-start") started = Math.max(started, next.index + 1);
        events.push(next);
      }
      const read = fold(reread(frames([START, ...events, finish("tool_calls", "tool_calls")])));
      assert.deepEqual(read.tools, values.map((value, index) => `t${index} f ${JSON.stringify(value)}`));
    }));
  });

  test("the classes of usage come back as they went", () => {
    const some = fc.option(fc.integer({ min: 1, max: 1e9 }), { nil: undefined });
    const units = fc.record({ input: fc.nat(), output: fc.nat(), cache_read: some, cache_write_5m: some, cache_write_1h: some, reasoning: some, web_searches: some });
    fc.assert(fc.property(units, (told) => {
      const clean = JSON.parse(JSON.stringify(told)) as UnitCounts;
      const read = reread(frames([START, event("text", "a"), finish("stop", "stop")], { units: clean, raw: null }));
      assert.deepEqual(fold(read).usage?.units, clean);
    }));
  });
});
