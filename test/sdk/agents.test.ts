/** `@openai/agents`, unmodified, in both of its modes, on every upstream. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Agent, OpenAIProvider, Runner, tool, type AgentInputItem } from "@openai/agents";
import OpenAI from "openai";
import { z } from "zod";
import { checkPerson, checkPicture, checkThoughts, Person } from "./checks.ts";
import { fleetWorld } from "./fleet-world.ts";
import { matrix, type Cell, type Features, type Seen } from "./matrix.ts";
import { checkProofOrWarning } from "./proof.ts";
import { DIALECTS, JSON_QUESTION, model, PNG, QUESTION, SYSTEM, Toolbox, TOOLS, WORDS, type ToolName, type UpstreamCall, type World } from "./world.ts";

const NAMES = ["get_weather", "get_time"] as const;

function runnerOf({ world }: Pick<Cell, "world">, useResponses: boolean, answered: (headers: Headers) => void = () => undefined): Runner {
  const noting: typeof fetch = async (input, init) => {
    const answer = await fetch(input, init);
    answered(answer.headers);
    return answer;
  };
  const openAIClient = new OpenAI({ baseURL: world.gateway.baseUrl, apiKey: world.apiKey, maxRetries: 0, fetch: noting });
  return new Runner({ modelProvider: new OpenAIProvider({ openAIClient, useResponses }), tracingDisabled: true });
}

const agent = ({ dialect }: Pick<Cell, "dialect">, more: { readonly tools?: ReturnType<typeof toolsOf> } = {}) =>
  new Agent({ name: "guide", instructions: SYSTEM, model: model(dialect), ...more });

const toolsOf = (box: Toolbox, names: readonly ToolName[]) => names.map((name) => tool({
  name, description: TOOLS[name].description, parameters: z.object({ city: z.string() }), execute: (args) => Promise.resolve(box.run(name, args)),
}));

const usageOf = (ran: { readonly rawResponses: readonly { readonly usage: { readonly inputTokens: number; readonly outputTokens: number } }[] }): Seen["usage"] => ({
  input: ran.rawResponses.reduce((sum, { usage }) => sum + usage.inputTokens, 0),
  output: ran.rawResponses.reduce((sum, { usage }) => sum + usage.outputTokens, 0),
});

/** The rows of both modes. */
function features(useResponses: boolean): Features<"OpenAI Agents by chat completions"> {
  return {
    async "runs an agent"(cell) {
      const ran = await runnerOf(cell, useResponses).run(agent(cell), QUESTION);
      cell.world.checkText(ran.finalOutput);
      assert.ok(cell.calls()[0]?.body.includes(SYSTEM), "the instructions did not arrive");
      return { usage: usageOf(ran) };
    },

    async "streams an agent's run"(cell) {
      const ran = await runnerOf(cell, useResponses).run(agent(cell), QUESTION, { stream: true });
      let text = "";
      let pieces = 0;
      for await (const piece of ran.toTextStream()) {
        text += String(piece);
        pieces += 1;
      }
      await ran.completed;
      cell.world.checkText(text);
      cell.world.checkText(ran.finalOutput);
      assert.ok(pieces >= 10, `in ${pieces} pieces only`);
      return { usage: usageOf(ran) };
    },

    async "runs an agent with two tools called at once"(cell) {
      const box = new Toolbox();
      const ran = await runnerOf(cell, useResponses).run(agent(cell, { tools: toolsOf(box, NAMES) }), QUESTION);
      box.check(NAMES, ran.finalOutput, cell.calls());
      return { calls: 2, usage: usageOf(ran) };
    },

    async "streams an agent's run with tools"(cell) {
      const box = new Toolbox();
      const ran = await runnerOf(cell, useResponses).run(agent(cell, { tools: toolsOf(box, NAMES) }), QUESTION, { stream: true });
      let text = "";
      for await (const piece of ran.toTextStream()) text += String(piece);
      await ran.completed;
      box.check(NAMES, text, cell.calls());
      return { calls: 2, usage: usageOf(ran) };
    },

    async "gives an agent's output the type that it asks"(cell) {
      const typed = new Agent({ name: "guide", model: model(cell.dialect), outputType: Person });
      const ran = await runnerOf(cell, useResponses).run(typed, JSON_QUESTION);
      checkPerson(cell, ran.finalOutput);
      return { usage: usageOf(ran) };
    },

    async "sends a picture"(cell) {
      const input: AgentInputItem[] = [{ role: "user", content: [{ type: "input_text", text: QUESTION }, { type: "input_image", image: `data:image/png;base64,${PNG}` }] }];
      const ran = await runnerOf(cell, useResponses).run(agent(cell), input);
      cell.world.checkText(ran.finalOutput);
      if (cell.world.kind === "fleet") checkPicture(cell);
      return { usage: usageOf(ran) };
    },

    async "raises BadRequestError in the provider's words"(cell) {
      const faulty = new Agent({ name: "guide", model: model(cell.dialect, "faulty") });
      await assert.rejects(runnerOf(cell, useResponses).run(faulty, QUESTION), (error) => {
        assert.ok(error instanceof OpenAI.BadRequestError, String(error));
        assert.ok(error.message.includes(WORDS), error.message);
        return true;
      });
      return {};
    },

    async "leaves a stream by its signal"(cell) {
      const leave = new AbortController();
      const slow = new Agent({ name: "guide", model: model(cell.dialect, "slow") });
      const ran = await runnerOf(cell, useResponses).run(slow, QUESTION, { stream: true, signal: leave.signal });
      let pieces = 0;
      for await (const _ of ran.toTextStream()) {
        pieces += 1;
        if (pieces === 3) leave.abort();
      }
      await cell.noticed("client_gone");
      return {};
    },
  };
}

matrix("OpenAI Agents by chat completions", features(false));

matrix("OpenAI Agents by responses", {
  ...features(true),

  async "reads what a model thought, and brings its signatures back"(cell) {
    const box = new Toolbox();
    const thinker = new Agent({
      name: "guide", instructions: SYSTEM, model: model(cell.dialect, "thinker"), tools: toolsOf(box, ["get_weather"]),
      modelSettings: { store: false, providerData: { include: ["reasoning.encrypted_content"] } },
    });
    let headers: Headers | undefined;
    const ran = await runnerOf(cell, true, (told) => { headers = told; }).run(thinker, QUESTION);
    box.check(["get_weather"], ran.finalOutput, cell.calls());
    const [thought] = ran.newItems;
    assert.ok(thought?.type === "reasoning_item", thought?.type);
    checkThoughts(thought.rawItem.content.map((part) => part.text).join(""));
    checkProofOrWarning(cell, headers);
    return { calls: 2, usage: usageOf(ran) };
  },
});

describe("OpenAI Agents by chat completions, where reasoning is shown in both fields", () => {
  let world: World;
  before(async () => {
    world = await fleetWorld({ chat: { reasoning_field: "both" } });
  });
  after(() => world.close());

  for (const dialect of DIALECTS) {
    for (const stream of [false, true]) {
      it(`case 30: ${stream ? "streams" : "reads"} what a model thought, and goes on from it, with ${dialect} behind`, async () => {
        const mark = world.calls().length;
        const box = new Toolbox();
        const thinker = new Agent({ name: "guide", instructions: SYSTEM, model: model(dialect, "thinker"), tools: toolsOf(box, ["get_weather"]) });
        const runner = runnerOf({ world }, false);
        const ran = stream ? await runner.run(thinker, QUESTION, { stream: true }) : await runner.run(thinker, QUESTION);
        if ("completed" in ran) await ran.completed;
        const calls = world.calls().slice(mark);
        box.check(["get_weather"], ran.finalOutput, calls);
        const [thought] = ran.newItems;
        assert.ok(thought?.type === "reasoning_item", thought?.type);
        checkThoughts((thought.rawItem.rawContent ?? []).map((part) => part.text).join(""));
        assert.deepEqual(usageOf(ran), { input: sum(calls, "input"), output: sum(calls, "output") });
      });
    }
  }

  it("case 30: is read by clients of the other field as before", async () => {
    const client = new OpenAI({ baseURL: world.gateway.baseUrl, apiKey: world.apiKey, maxRetries: 0 });
    for (const dialect of DIALECTS) {
      const asked = { model: model(dialect, "thinker"), messages: [{ role: "user" as const, content: QUESTION }] };
      const { choices: [choice] } = await client.chat.completions.create(asked);
      const { reasoning, reasoning_content: content } = (choice?.message ?? {}) as Record<string, unknown>;
      checkThoughts(content);
      assert.equal(reasoning, content);
      let [streamed, again] = ["", ""];
      for await (const { choices: [piece] } of await client.chat.completions.create({ ...asked, stream: true })) {
        const delta = (piece?.delta ?? {}) as Record<string, unknown>;
        streamed += (delta["reasoning_content"] as string | undefined) ?? "";
        again += (delta["reasoning"] as string | undefined) ?? "";
      }
      checkThoughts(streamed);
      assert.equal(again, streamed);
    }
  });
});

const sum = (calls: readonly UpstreamCall[], key: "input" | "output"): number => calls.reduce((total, { usage }) => total + (usage?.[key] ?? 0), 0);
