/** The official client's `completions.create` against what we write, over a real socket. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import OpenAI, { APIError, BadRequestError } from "openai";
import { gatewayError } from "../../../wire/errors.ts";
import type { StreamEvent } from "../../../wire/events.ts";
import type { Usage } from "../../../wire/usage.ts";
import { OUTSIDE, serve, type Replay } from "../cohere/test-hub.ts";
import { completionsClient } from "./index.ts";

const USAGE: Usage = { units: { input: 3, output: 5 }, raw: null };
const EVENTS: readonly StreamEvent[] = [
  { kind: "start", id: "up", model: "x", createdS: 1 },
  { kind: "text", choice: 0, text: "One " },
  { kind: "text", choice: 0, text: "two." },
  { kind: "finish", choice: 0, reason: "stop", native: "stop" },
];

describe("the official client", () => {
  let server: Replay;
  let client: OpenAI;
  before(async () => {
    server = await serve((body) => {
      const read = completionsClient.parse(body, OUTSIDE);
      if (read.kind === "error") return { status: 400, body: JSON.stringify(completionsClient.encodeError(read.error, "r")) };
      const about = { requestId: "r", model: read.request.model, createdS: 1_700_000_000, request: read.request, raw: body, simulated: false };
      if (!read.request.stream) return { body: JSON.stringify(completionsClient.encodeAnswer([...EVENTS, { kind: "usage", usage: USAGE }], about)) };
      const encoder = completionsClient.openEncoder(about);
      const broken = read.request.model === "broken";
      const frames = (broken ? EVENTS.slice(0, 2) : EVENTS).map((event) => encoder.encode(event) as string).join("");
      const last = broken ? encoder.failed(gatewayError("upstream_truncated", "It was cut."), null) : encoder.closing(USAGE, {});
      return { type: completionsClient.streamType, body: (completionsClient.keepAlive as string) + frames + (last as string) };
    });
    client = new OpenAI({ apiKey: "key", baseURL: `${server.url}/v1`, maxRetries: 0 });
  });
  after(() => server.close());

  test("reads our whole answer", async () => {
    const answer = await client.completions.create({ model: "m", prompt: "Count" });
    assert.deepEqual(answer.choices.map(({ text, index, finish_reason, logprobs }) => [text, index, finish_reason, logprobs]), [["One two.", 0, "stop", null]]);
    assert.deepEqual([answer.object, answer.usage?.total_tokens], ["text_completion", 8]);
    assert.equal(server.seen.at(-1)?.path, "/v1/completions");
  });

  test("reads our stream, with the usage that it asked for", async () => {
    let text = "";
    let totalTokens: number | undefined;
    for await (const chunk of await client.completions.create({ model: "m", prompt: ["Count"], stream: true, stream_options: { include_usage: true } })) {
      text += chunk.choices[0]?.text ?? "";
      totalTokens = chunk.usage?.total_tokens ?? totalTokens;
    }
    assert.deepEqual([text, totalTokens], ["One two.", 8]);
  });

  test("throws what it cannot be served, and a failure in the middle of a stream", async () => {
    await assert.rejects(client.completions.create({ model: "m", prompt: "Count", echo: true }), (error) =>
      error instanceof BadRequestError && error.code === "unsupported_parameter" && error.param === "echo");
    let text = "";
    await assert.rejects(async () => {
      for await (const chunk of await client.completions.create({ model: "broken", prompt: "Count", stream: true })) text += chunk.choices[0]?.text ?? "";
    }, (error) => error instanceof APIError && error.code === "upstream_truncated");
    assert.equal(text, "One ");
  });
});
