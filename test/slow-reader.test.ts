/**
 * Clients that read slowly or not at all: the gateway holds a bounded piece of their answers and pauses the provider, and
 * everyone else's stream goes on. Answers of 100 MB each come from a server of the test's own, as fast as they are taken.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { stringify } from "yaml";
import { openReadOnly } from "../src/storage/data-dir.ts";
import { childGateway, type ChildGateway } from "./support/gateway.ts";
import { call, sdk } from "./support/load.ts";

const MB = 1 << 20;
const TEXT = "flood ".repeat(682);
const EVENTS = Math.ceil((100 * MB) / TEXT.length);
/** What one stalled stream may have in the gateway and in the four socket buffers on its way. */
const TAKEN_MAX_MB = 30;
/** Growth of the gateway while six clients read nothing: 8 MB each, and what is not yet collected; unbounded buffers would take 100 MB for each. */
const GROWTH_MAX_MB = 120;

/** Endless answers of both lanes, written as the socket takes them; and short ones for whoever asks for one token. */
class Flood {
  readonly server = createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on("data", (piece: Buffer) => pieces.push(piece));
    request.on("end", () => {
      const body = JSON.parse(Buffer.concat(pieces).toString("utf8")) as { max_tokens?: number };
      const frames = request.url === "/v1/messages" ? messages : chunks;
      const sent = { events: 0, closed: false };
      this.answers.push(sent);
      response.on("close", () => (sent.closed = true));
      response.writeHead(200, { "content-type": "text/event-stream" });
      pour(response, frames(body.max_tokens === 1 ? 1 : EVENTS), sent);
    });
  });
  /** How far each answer has come, in the order of the calls. */
  readonly answers: { events: number; closed: boolean }[] = [];

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => void this.server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/v1`;
  }

  close(): void {
    this.server.closeAllConnections();
    this.server.close();
  }
}

function pour(response: ServerResponse, frames: Iterator<string>, sent: { events: number; closed: boolean }): void {
  for (;;) {
    const { value, done } = frames.next();
    if (done === true) return void response.end();
    sent.events += 1;
    if (sent.closed) return;
    if (!response.write(value)) return void response.once("drain", () => pour(response, frames, sent));
  }
}

function* chunks(count: number): Generator<string> {
  const chunk = (choices: unknown, usage?: unknown): string => `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model: "m", choices, usage })}\n\n`;
  const piece = chunk([{ index: 0, delta: { content: TEXT }, finish_reason: null }]);
  for (let i = 0; i < count; i++) yield piece;
  yield chunk([{ index: 0, delta: {}, finish_reason: "stop" }]);
  yield chunk([], { prompt_tokens: 1, completion_tokens: count, total_tokens: count + 1 });
  yield "data: [DONE]\n\n";
}

function* messages(count: number): Generator<string> {
  const event = (type: string, more: object): string => `event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`;
  yield event("message_start", { message: { id: "m", type: "message", role: "assistant", model: "m", content: [], stop_reason: null, usage: { input_tokens: 1, output_tokens: 1 } } });
  yield event("content_block_start", { index: 0, content_block: { type: "text", text: "" } });
  const piece = event("content_block_delta", { index: 0, delta: { type: "text_delta", text: TEXT } });
  for (let i = 0; i < count; i++) yield piece;
  yield event("content_block_stop", { index: 0 });
  yield event("message_delta", { delta: { stop_reason: "end_turn", stop_sequence: null }, usage: { output_tokens: count } });
  yield event("message_stop", {});
}

/** A streamed request on a bare socket that reads only when it is told to. */
class Reader {
  readonly socket: Socket;
  bytes = 0;
  events = 0;
  #tail = "";
  readonly ended: Promise<void>;

  constructor(gateway: ChildGateway, model: string) {
    const { hostname, port } = new URL(gateway.url);
    this.socket = connect(Number(port), hostname);
    this.socket.pause();
    this.socket.on("error", () => this.socket.destroy());
    this.ended = new Promise((resolve) => this.socket.once("close", () => resolve()));
    const body = JSON.stringify({ model, stream: true, stream_options: { include_usage: true }, messages: [{ role: "user", content: "go on" }], max_tokens: 100_000 });
    this.socket.write(`POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
  }

  /** Reads on to the end. */
  read(): void {
    this.socket.on("data", (chunk: Buffer) => {
      this.bytes += chunk.length;
      const text = this.#tail + chunk.toString("latin1");
      for (let at = text.indexOf('"content":"flood'); at >= 0; at = text.indexOf('"content":"flood', at + 1)) this.events += 1;
      // Enough for what lies across two chunks, and too little to count anything twice.
      this.#tail = text.slice(-15);
    });
    this.socket.resume();
  }

  get tail(): string {
    return this.#tail;
  }
}

function residentMb(gateway: ChildGateway): number {
  return Number(execFileSync("ps", ["-o", "rss=", "-p", String(gateway.child.pid)]).toString()) / 1024;
}

describe("clients that read slowly or not at all", () => {
  const base = mkdtempSync(join(tmpdir(), "spillway-slow-"));
  const flood = new Flood();
  let gateway: ChildGateway;
  let restingMb = 0;
  let peakMb = 0;
  let watch: NodeJS.Timeout;
  const readers: Reader[] = [];

  before(async () => {
    const baseUrl = await flood.listen();
    const model = { m: { price: { input: 1, output: 1 }, context: 1_000_000, max_output: 100_000 } };
    const providers = Object.fromEntries([["bytes", "openai-compatible"], ["hub", "anthropic"]].map(([name, type]) => [name, { type, base_url: baseUrl, api_key: "x", models: model }]));
    gateway = await childGateway(stringify({ version: 1, providers }), { dataDir: join(base, "data") });
    for (const name of ["bytes", "hub"]) await call(sdk(gateway.baseUrl), { model: `${name}/m`, stream: true, inputTokens: 1, maxTokens: 1 });
    restingMb = residentMb(gateway);
    watch = setInterval(() => (peakMb = Math.max(peakMb, residentMb(gateway))), 50);
  });
  after(async () => {
    clearInterval(watch);
    await gateway.kill9();
    flood.close();
    rmSync(base, { recursive: true, force: true });
  });

  test("pause their providers after a bounded piece, and the gateway's memory with them", async (t) => {
    flood.answers.length = 0;
    for (let i = 0; i < 6; i++) readers.push(new Reader(gateway, i % 2 === 0 ? "bytes/m" : "hub/m"));
    await stalled(flood, readers.length);
    const takenMb = flood.answers.map(({ events }) => (events * TEXT.length) / MB);
    t.diagnostic(`taken from the providers: ${takenMb.map((mb) => mb.toFixed(1)).join(", ")} MB; the gateway grew from ${restingMb.toFixed(0)} to at most ${peakMb.toFixed(0)} MB`);
    for (const mb of takenMb) assert.ok(mb < TAKEN_MAX_MB, `${mb.toFixed(1)} MB were taken for a client that reads nothing`);
    assert.ok(peakMb - restingMb < GROWTH_MAX_MB, `the gateway grew by ${(peakMb - restingMb).toFixed(0)} MB`);
  });

  test("leave other streams alone", async () => {
    const startMs = performance.now();
    const seen = await Promise.all(["bytes/m", "hub/m"].map((model) => call(sdk(gateway.baseUrl), { model, stream: true, inputTokens: 1, maxTokens: 1 })));
    for (const one of seen) assert.deepEqual([one.kind, one.text.length], ["finished", TEXT.length]);
    assert.ok(performance.now() - startMs < 1_000);
  });

  test("get the whole answer when they read on, in bounded memory", async (t) => {
    const slow = readers.slice(0, 2);
    peakMb = 0;
    for (const reader of slow) reader.read();
    await Promise.all(slow.map((reader) => reader.ended));
    for (const reader of slow) {
      assert.ok(reader.bytes > 100 * MB);
      assert.equal(reader.events, EVENTS, "events were lost or doubled");
      assert.ok(reader.tail.endsWith("0\r\n\r\n"), "the answer was cut");
    }
    t.diagnostic(`two answers of 100 MB through ${peakMb.toFixed(0)} MB`);
    assert.ok(peakMb - restingMb < GROWTH_MAX_MB + 50, `the gateway grew by ${(peakMb - restingMb).toFixed(0)} MB`);
  });

  test("and then leave: their providers are told, and what was taken is charged as an estimate", async () => {
    const [byte, hub, ...rest] = readers.slice(2);
    assert.equal(rest.length, 2);
    const closed = (): number => flood.answers.filter((answer) => answer.closed).length;
    const closedBefore = closed();
    byte?.socket.destroy();
    hub?.socket.destroy();
    const giveUpAtMs = performance.now() + 2_000;
    while (closed() < closedBefore + 2) {
      assert.ok(performance.now() < giveUpAtMs, "the providers were not told");
      await sleep(10);
    }
    await sleep(300);
    const reader = openReadOnly(gateway.dataDir);
    try {
      const gone = [...reader.requests({})].filter(({ record }) => record?.outcome === "client_gone");
      assert.equal(gone.length, 2);
      for (const { attempts: [attempt] } of gone) {
        assert.deepEqual([attempt?.state, attempt?.outcome], ["estimated", "client_gone"]);
        // At least a token for every four bytes of a quarter of a MB that the gateway has taken in, and no more than was asked for.
        const tokens = attempt?.units.output ?? 0;
        assert.ok(tokens > 0.25 * MB / 4 && tokens <= 100_000, `${tokens}`);
      }
    } finally {
      reader.close();
    }
  });
});

/** Waits until no provider has been able to write for half a second. */
async function stalled(flood: Flood, count: number): Promise<void> {
  const giveUpAtMs = performance.now() + 10_000;
  const sum = (): number => flood.answers.reduce((total, { events }) => total + events, 0);
  for (let last = -1, quietMs = 0; quietMs < 500; ) {
    assert.ok(performance.now() < giveUpAtMs, "the providers are still being read");
    await sleep(50);
    const now = sum();
    quietMs = now === last && flood.answers.length >= count ? quietMs + 50 : 0;
    last = now;
  }
}
