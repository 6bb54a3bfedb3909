/** A gateway before upstreams of all three dialects, a canary that nobody may ever connect to, and a log of every dial. */
import assert from "node:assert/strict";
import { logDials, type DialLog } from "../support/dial-log.ts";
import { testGateway, type TestGateway } from "../support/gateway.ts";
import { rawExchange, type RawAnswer } from "../support/raw-client.ts";
import { chat, json, recordingUpstream, sse, type Answering, type RecordingUpstream } from "../support/recording-upstream.ts";

export const CALLER = "caller-key-0123456789";
export const ACCOUNTS = ["oai", "ant", "gem"] as const;

const anthropic: Answering = (call, socket) => {
  const { stream } = JSON.parse(call.body.toString()) as { stream?: boolean };
  const event = (data: { type: string }): string => `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`;
  const message = { id: "msg_1", type: "message", role: "assistant", model: "m", content: [] as object[], stop_reason: null as string | null, usage: { input_tokens: 3, output_tokens: 1 } };
  if (stream !== true) json({ ...message, content: [{ type: "text", text: "hi" }], stop_reason: "end_turn" })(call, socket);
  else {
    const block = { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } };
    const delta = { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "hi" } };
    const end = { type: "message_delta", delta: { stop_reason: "end_turn" }, usage: { output_tokens: 1 } };
    sse([{ type: "message_start", message }, block, delta, { type: "content_block_stop", index: 0 }, end, { type: "message_stop" }].map((data) => event(data)).join(""))(call, socket);
  }
};
const gemini: Answering = (call, socket) => {
  const answer = { candidates: [{ index: 0, finishReason: "STOP", content: { role: "model", parts: [{ text: "hi" }] } }], usageMetadata: { promptTokenCount: 3, candidatesTokenCount: 1, totalTokenCount: 4 } };
  (call.target.includes("stream") ? sse(`data: ${JSON.stringify(answer)}\n\n`) : json(answer))(call, socket);
};

export interface EgressWorld {
  readonly gateway: TestGateway;
  readonly upstreams: readonly RecordingUpstream[];
  readonly canary: RecordingUpstream;
  readonly dials: DialLog;
  /** Send bytes as they are; whatever answers come. */
  send(bytes: string | Uint8Array): Promise<readonly RawAnswer[]>;
  /** Nothing but the configured upstreams has been dialled, or was meant to be. */
  check(): void;
  close(): Promise<void>;
}

/** Start it. */
export async function egressWorld(): Promise<EgressWorld> {
  const upstreams = [await recordingUpstream(chat), await recordingUpstream(anthropic), await recordingUpstream(gemini)];
  const canary = await recordingUpstream(chat);
  const types = [["openai-compatible", "/v1"], ["anthropic", "/v1"], ["google", "/v1beta"]];
  const accounts = upstreams.map((upstream, i) => `  ${ACCOUNTS[i]}: { type: ${types[i]?.[0]}, base_url: "${upstream.origin}${types[i]?.[1]}", api_key: k-upstream-0123456789, unmetered: true }`);
  const dials = logDials();
  const gateway = await testGateway(`version: 1\nkeys: [{ name: app, key: ${CALLER} }]\nfallbacks: off\nproviders:\n${accounts.join("\n")}\n`);
  const allowed = new Set([gateway.port, ...upstreams.map((upstream) => upstream.port)]);
  return {
    gateway,
    upstreams,
    canary,
    dials,
    send: async (bytes) => (await rawExchange(gateway.port, bytes, { answers: 1, waitMs: 3_000 })).answers,
    check() {
      assert.equal(canary.connections(), 0, "the canary was reached");
      assert.deepEqual([...dials.ports].filter((port) => !allowed.has(port)), [], "a port outside the configuration was reached");
      const origins = upstreams.map((upstream) => upstream.origin.replace("http://", ""));
      assert.deepEqual([...dials.meant].filter((host) => !origins.includes(host)), [], "a host outside the configuration was meant");
    },
    async close() {
      dials.stop();
      await gateway.close();
      await Promise.all([...upstreams, canary].map((upstream) => upstream.close()));
    },
  };
}
