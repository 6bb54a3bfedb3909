/** A field that nobody knows, at whatever depth of a request: it reaches the provider, or the answer names it, or it is refused by name. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { gatewayConfig, startFleet, type Fleet, type FleetConfig } from "../src/fleet/index.ts";
import { isObject, type Json, type JsonObject } from "../src/wire/json.ts";
import { testGateway, type TestGateway } from "./support/gateway.ts";

const FIELD = "nobody_knows_it";
const PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII=";
const PICTURE = `data:image/png;base64,${PNG}`;
const SCHEMA = { type: "object", properties: { q: { type: "string" } } };
/** What is a client's own in these is carried whole or named whole. */
const WHOLE = new Set(["parameters", "parametersJsonSchema", "input_schema", "schema", "json", "args", "response", "cache_control", "stream_options"]);

interface Asked {
  readonly path: (model: string) => string;
  /** Accounts of other dialects than its own. */
  readonly targets: readonly string[];
  readonly bodies: readonly JsonObject[];
}

const call = { id: "call_1", type: "function", function: { name: "f", arguments: "{}" } };
const tool = { type: "function", function: { name: "f", parameters: SCHEMA } };

const SURFACES: Readonly<Record<string, Asked>> = {
  "chat completions": {
    path: () => "/v1/chat/completions",
    targets: ["a", "g"],
    bodies: [
      {
        messages: [
          { role: "system", content: [{ type: "text", text: "s" }] },
          { role: "user", content: [{ type: "text", text: "hi" }, { type: "image_url", image_url: { url: PICTURE } }] },
          { role: "assistant", content: "x", tool_calls: [call] },
          { role: "tool", tool_call_id: "call_1", content: [{ type: "text", text: "r" }] },
          { role: "user", content: "go" },
        ],
        tools: [tool],
        tool_choice: { type: "function", function: { name: "f" } },
      },
      { messages: [{ role: "user", content: [{ type: "file", file: { filename: "a.pdf", file_data: "data:application/pdf;base64,AAAA" } }] }], response_format: { type: "json_schema", json_schema: { name: "n", schema: SCHEMA } } },
    ],
  },
  messages: {
    path: () => "/v1/messages",
    targets: ["o", "g"],
    bodies: [
      {
        max_tokens: 2_000,
        thinking: { type: "enabled", budget_tokens: 1_024 },
        system: [{ type: "text", text: "s", cache_control: { type: "ephemeral" } }],
        messages: [
          { role: "user", content: [{ type: "text", text: "hi" }, { type: "image", source: { type: "base64", media_type: "image/png", data: PNG } }, { type: "document", source: { type: "text", media_type: "text/plain", data: "abc" } }] },
          { role: "assistant", content: [{ type: "text", text: "x" }, { type: "tool_use", id: "t1", name: "f", input: {} }] },
          { role: "user", content: [{ type: "tool_result", tool_use_id: "t1", content: [{ type: "text", text: "r" }] }, { type: "text", text: "go" }] },
        ],
        tools: [{ name: "f", input_schema: SCHEMA }],
        tool_choice: { type: "auto" },
        output_config: { effort: "low", format: { type: "json_schema", schema: SCHEMA } },
      },
    ],
  },
  responses: {
    path: () => "/v1/responses",
    targets: ["o", "a", "g"],
    bodies: [
      {
        store: false,
        input: [
          { type: "message", role: "user", content: [{ type: "input_text", text: "hi" }, { type: "input_image", image_url: PICTURE, detail: "auto" }] },
          { type: "message", role: "assistant", content: [{ type: "output_text", text: "x", annotations: [] }] },
          { type: "function_call", call_id: "c1", name: "f", arguments: "{}" },
          { type: "function_call_output", call_id: "c1", output: [{ type: "input_text", text: "r" }] },
          { role: "user", content: "go" },
        ],
        tools: [{ type: "function", name: "f", parameters: SCHEMA }],
        tool_choice: { type: "function", name: "f" },
        reasoning: { effort: "low" },
      },
      { store: false, input: "hi", text: { format: { type: "json_schema", name: "n", schema: SCHEMA }, verbosity: "low" } },
    ],
  },
  generateContent: {
    path: (model) => `/v1beta/models/${model}:generateContent`,
    targets: ["o", "a"],
    bodies: [
      {
        systemInstruction: { parts: [{ text: "s" }] },
        contents: [
          { role: "user", parts: [{ text: "hi" }, { inlineData: { mimeType: "image/png", data: PNG } }] },
          { role: "model", parts: [{ text: "x" }, { functionCall: { name: "f", args: {} } }] },
          { role: "user", parts: [{ functionResponse: { name: "f", response: { output: "r" } } }] },
        ],
        tools: [{ functionDeclarations: [{ name: "f", parametersJsonSchema: SCHEMA }] }],
        toolConfig: { functionCallingConfig: { mode: "AUTO" } },
        generationConfig: { maxOutputTokens: 50, thinkingConfig: { thinkingBudget: 0 } },
      },
    ],
  },
  converse: {
    path: (model) => `/model/${encodeURIComponent(model)}/converse`,
    targets: ["o", "a", "g"],
    bodies: [
      {
        system: [{ text: "s" }],
        inferenceConfig: { maxTokens: 50 },
        messages: [
          { role: "user", content: [{ text: "hi" }, { image: { format: "png", source: { bytes: PNG } } }] },
          { role: "assistant", content: [{ text: "x" }, { toolUse: { toolUseId: "t1", name: "f", input: {} } }] },
          { role: "user", content: [{ toolResult: { toolUseId: "t1", content: [{ text: "r" }], status: "success" } }, { text: "go" }] },
        ],
        toolConfig: { tools: [{ toolSpec: { name: "f", inputSchema: { json: SCHEMA } } }], toolChoice: { tool: { name: "f" } } },
      },
    ],
  },
  "/v2/chat": {
    path: () => "/v2/chat",
    targets: ["o", "a", "g"],
    bodies: [
      {
        messages: [
          { role: "system", content: "s" },
          { role: "user", content: [{ type: "text", text: "hi" }, { type: "image_url", image_url: { url: PICTURE } }] },
          { role: "assistant", tool_plan: "p", tool_calls: [call] },
          { role: "tool", tool_call_id: "call_1", content: [{ type: "text", text: "r" }] },
          { role: "user", content: "go" },
        ],
        tools: [tool],
        response_format: { type: "text" },
        thinking: { type: "enabled", token_budget: 1_024 },
      },
    ],
  },
};

let fleet: Fleet;
let gateway: TestGateway;
before(async () => {
  const models = { m: { input: 1, output: 2 } };
  const config: FleetConfig = {
    seed: 9,
    providers: [
      { name: "o", dialect: "openai-chat", models, tokens_out: 3 },
      { name: "a", dialect: "anthropic-messages", models, tokens_out: 3 },
      { name: "g", dialect: "gemini", models, tokens_out: 3 },
    ],
  };
  fleet = await startFleet(config);
  gateway = await testGateway(gatewayConfig(config, fleet));
});
after(async () => {
  await gateway.close();
  await fleet.close();
});

interface Told {
  readonly status: number;
  readonly warning: string;
  readonly text: string;
}

async function ask(path: string, body: JsonObject): Promise<Told> {
  const answer = await fetch(`${gateway.url}${path}`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  return { status: answer.status, warning: answer.headers.get("x-spillway-warning") ?? "", text: await answer.text() };
}

/** The body once for each of its objects, with the field in it; and where it was put. */
function* withField(value: Json, path = ""): Generator<readonly [place: string, changed: Json]> {
  if (Array.isArray(value)) {
    for (const [i, one] of (value as readonly Json[]).entries()) {
      for (const [place, changed] of withField(one, `${path}[${i}]`)) yield [place, value.with(i, changed)];
    }
  } else if (isObject(value)) {
    yield [path, { ...value, [FIELD]: 7 }];
    for (const [key, one] of Object.entries(value)) {
      if (one === undefined || WHOLE.has(key) || (key === "input" && isObject(one))) continue;
      for (const [place, changed] of withField(one, `${path}.${key}`)) yield [place, { ...value, [key]: changed }];
    }
  }
}

describe("a field that nobody knows is named wherever it stands, or goes on", () => {
  for (const [surface, { path, targets, bodies }] of Object.entries(SURFACES)) {
    for (const target of targets) {
      it(`case 2: ${surface} to ${target}`, async () => {
        const model = `${target}/m`;
        const named = path(model) === path("");
        const lost: string[] = [];
        for (const body of bodies) {
          const plain = await ask(path(model), named ? { model, ...body } : body);
          assert.equal(plain.status, 200, plain.text);
          for (const [place, changed] of withField(body)) {
            assert.ok(isObject(changed));
            const told = await ask(path(model), named ? { model, ...changed } : changed);
            const sent = JSON.stringify(fleet.calls().at(-1)?.body);
            const kept = told.status === 200 ? told.warning.includes(FIELD) || sent.includes(FIELD) : told.text.includes(FIELD);
            if (!kept) lost.push(`${place}: ${told.status} ${told.warning}`);
          }
        }
        assert.deepEqual(lost, []);
      });
    }
  }
});

it("a long history of fields that nobody knows does not crowd out the warning of another", async () => {
  const messages = Array.from({ length: 200 }, (_, i) => ({ role: i % 2 === 0 ? "user" : "assistant", content: "x", ...(i % 2 === 0 ? { [FIELD]: i } : {}) }));
  const { status, warning } = await ask("/v1/chat/completions", { model: "a/m", messages: [...messages, { role: "user", content: "go" }], another: 1 });
  assert.equal(status, 200);
  assert.equal(warning.split(FIELD).length, 2, warning);
  assert.match(warning, /another/);
});

it("warnings for which the header has no room are counted in it", async () => {
  const tools = Array.from({ length: 3 }, (_, i) => ({ type: "function", function: { name: `f${i}`, parameters: SCHEMA, ...Object.fromEntries(Array.from({ length: 9 }, (_, j) => [`${FIELD}_${i}_${j}`, 1])) } }));
  const { status, warning } = await ask("/v1/chat/completions", { model: "a/m", messages: [{ role: "user", content: "go" }], tools });
  assert.equal(status, 200);
  const named = warning.split(FIELD).length - 1;
  assert.ok(warning.length <= 1_000 && named > 5, warning);
  assert.equal(Number(/and (\d+) more, for which there is no room$/.exec(warning)?.[1]), 27 - named);
});
