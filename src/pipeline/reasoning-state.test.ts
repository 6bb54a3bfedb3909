/** What keeping reasoning state costs those who have none, and what it may cost those who have. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { StateScope, StateStore } from "../ports.ts";
import { MemoryState } from "../storage/state-memory.ts";
import type { Json } from "../wire/json.ts";
import { World, type Place } from "./test-world.ts";
import { GOOD_ANSWER, GOOD_STREAM } from "./test-upstream.ts";

const MESSAGES: Place = { name: "m", provider: { dialect: "anthropic-messages" } };
const SIGNER: Place = { name: "s", provider: { quirks: { signsToolCalls: true } } };
const TOOLS = [{ type: "function", function: { name: "f", parameters: { type: "object" } } }];
const THOUGHT = "a long thought ".repeat(100);
const CALLED = {
  id: "msg", type: "message", role: "assistant", model: "m", stop_reason: "tool_use", usage: { input_tokens: 5, output_tokens: 5 },
  content: [{ type: "thinking", thinking: THOUGHT, signature: "U0lHTkVE" }, { type: "tool_use", id: "call_1", name: "f", input: {} }],
};
const TURN = { role: "assistant", content: null, tool_calls: [{ id: "call_1", type: "function", function: { name: "f", arguments: "{}" } }] };
const CONVERSATION = [{ role: "user", content: "hi" }, TURN, { role: "tool", tool_call_id: "call_1", content: "1" }];

/** A store that tells what is asked of it. */
class Watched implements StateStore {
  readonly mode = "memory";
  readonly seen: string[] = [];
  readonly #inner = new MemoryState();

  put(scope: StateScope, id: string, value: Json, ttlMs: number): Promise<boolean> {
    this.seen.push(`put ${scope.tenant}/${scope.key}/${scope.kind} ${id} ${ttlMs}`);
    return this.#inner.put(scope, id, value, ttlMs);
  }

  get(scope: StateScope, id: string, renewMs?: number): Promise<Json | undefined> {
    this.seen.push(`get ${id}`);
    return this.#inner.get(scope, id, renewMs);
  }

  delete(scope: StateScope, id: string): Promise<boolean> {
    return this.#inner.delete(scope, id);
  }
}

function worldOf(...candidates: readonly (string | Place)[]): { world: World; store: Watched } {
  const world = new World({ candidates });
  const store = new Watched();
  Object.assign(world.deps, { reasoning: store });
  return { world, store };
}

describe("nothing is looked up and nothing is kept", () => {
  it("for requests without tools, though the answer were signed", async () => {
    const { world, store } = worldOf(MESSAGES);
    await world.ask();
    world.call("m").json(CALLED);
    await world.pass();
    assert.equal(world.record.outcome, "ok");
    assert.deepEqual(store.seen, []);
  });

  it("for answers without calls", async () => {
    const { world, store } = worldOf(SIGNER);
    await world.ask({ stream: true, body: { tools: TOOLS } });
    world.call("s").stream(...GOOD_STREAM);
    await world.pass();
    assert.equal(world.record.outcome, "ok");
    assert.deepEqual(store.seen, []);
  });

  it("for conversations with calls where no candidate would take it", async () => {
    const { world, store } = worldOf("a");
    const { exchange } = await world.ask({ body: { tools: TOOLS, messages: CONVERSATION } });
    assert.notEqual(exchange, null);
    world.call("a").json(GOOD_ANSWER);
    await world.pass();
    assert.deepEqual(store.seen, []);
  });

  it("for turns that hold what is theirs", async () => {
    const { world, store } = worldOf(MESSAGES);
    const own = { ...TURN, thinking_blocks: [{ type: "thinking", thinking: "mine", signature: "TUlORQ==" }] };
    await world.ask({ body: { tools: TOOLS, messages: [CONVERSATION[0], own, CONVERSATION[2]] } });
    assert.equal(world.called, "m");
    assert.deepEqual(store.seen, []);
  });
});

describe("what is kept", () => {
  it("is there before the last byte of the answer leaves, under tenant and key, for its time", async () => {
    const { world, store } = worldOf(MESSAGES);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const told = store.put.bind(store);
    store.put = (scope, id, value, ttlMs) => told(scope, id, value, ttlMs).then(() => promise);
    const { reply } = await world.ask({ body: { tools: TOOLS } });
    world.call("m").json(CALLED);
    await world.pass();
    assert.deepEqual(store.seen, ["put default/app/reasoning call_1 3600000"]);
    assert.equal(reply.status, 0, "the answer left before its state was kept");
    resolve(true);
    await world.pass();
    assert.equal(reply.status, 200);
  });

  it("that could not be kept costs the answer nothing, and a word in the log", async () => {
    const { world, store } = worldOf(MESSAGES);
    store.put = () => Promise.resolve(false);
    const { reply } = await world.ask({ body: { tools: TOOLS } });
    world.call("m").json(CALLED);
    await world.pass();
    assert.equal(reply.status, 200);
    assert.deepEqual(world.logged.map((one) => one.event), ["reasoning_not_kept"]);
  });

  it("is looked up once for an id, the latest turns first, until it is as much as a body may be", async () => {
    const { world, store } = worldOf(MESSAGES);
    const signature = "U0lH".repeat(1 << 18);
    const ids = Array.from({ length: 40 }, (_, i) => `call_${i}`);
    for (const id of ids) await store.put({ tenant: "default", key: "app", kind: "reasoning" }, id, { dialect: "gemini", provider: "p", account: "g", model: "m", blocks: [{ kind: "thinking", text: "", signature }], signatures: [] }, 60_000);
    const turns = [...ids, ...ids].flatMap((id) => [{ ...TURN, tool_calls: [{ ...TURN.tool_calls[0], id }] }, { role: "tool", tool_call_id: id, content: "1" }]);
    await world.ask({ body: { tools: TOOLS, messages: [CONVERSATION[0], ...turns] } });
    await world.pass();
    const asked = store.seen.filter((one) => one.startsWith("get "));
    assert.deepEqual([asked.length, asked[0], asked.at(-1)], [33, "get call_39", "get call_7"]);
  });

  it("counts in the hold of the request that it goes back with", async () => {
    const bounds: number[] = [];
    for (const keeps of [false, true]) {
      const { world, store } = worldOf(MESSAGES);
      if (keeps) {
        await world.ask({ body: { tools: TOOLS } });
        world.call("m").json(CALLED);
        await world.pass();
      }
      await world.ask({ body: { tools: TOOLS, messages: CONVERSATION } });
      await world.pass();
      assert.equal(store.seen.at(-1), "get call_1");
      const sent = new TextDecoder().decode(world.call("m").request.body as Uint8Array);
      assert.equal(sent.includes("U0lHTkVE"), keeps);
      bounds.push(world.ledger.holds.at(-1)?.boundNanoUsd ?? 0);
    }
    const [without = 0, withIt = 0] = bounds;
    assert.ok(withIt - without >= THOUGHT.length * 1_000, `${withIt} - ${without}`);
  });
});

describe("encrypted reasoning of one of two accounts of a provider", () => {
  const account = (name: string): Place => ({ name, provider: { id: "p", dialect: "openai-responses" }, model: { reasoning: true } });
  const ITEM = { type: "reasoning", id: "rs_1", summary: [], encrypted_content: "RU5DUllQVEVE" };
  const ANSWER = { id: "resp_1", object: "response", status: "completed", model: "m", output: [ITEM, { type: "function_call", id: "fc_1", call_id: "call_1", name: "f", arguments: "{}" }], usage: { input_tokens: 5, output_tokens: 5, total_tokens: 10 } };
  const sentTo = (world: World, name: string): string => new TextDecoder().decode(world.call(name).request.body as Uint8Array);

  for (const replays of [true, false]) {
    it(`goes back to that account and not to the other, ${replays ? "by the client" : "from where it was kept"}`, async () => {
      const { world } = worldOf(account("a"), account("b"));
      const first = await world.ask({ body: { tools: TOOLS } });
      world.call("a").json(ANSWER);
      await world.pass();
      const { message } = (JSON.parse(first.reply.text) as { choices: { message: { thinking_blocks: object[] } }[] }).choices[0] as { message: { thinking_blocks: object[] } };
      assert.equal(message.thinking_blocks.length, 1);
      const turn = replays ? message : TURN;
      const second = await world.ask({ body: { tools: TOOLS, messages: [CONVERSATION[0], turn, CONVERSATION[2]] } });
      await world.pass();
      assert.match(sentTo(world, "a"), /RU5DUllQVEVE/);
      world.call("a").refuse(503);
      await world.pass();
      assert.doesNotMatch(sentTo(world, "b"), /RU5DUllQVEVE/);
      world.call("b").json({ ...ANSWER, output: [{ type: "message", id: "msg_1", role: "assistant", content: [{ type: "output_text", text: "hi" }] }] });
      await world.pass();
      assert.equal(second.reply.status, 200);
      assert.equal(second.reply.header("x-spillway-warning"), replays ? "earlier reasoning of another model was left out: only its maker can read it" : undefined);
    });
  }
});
