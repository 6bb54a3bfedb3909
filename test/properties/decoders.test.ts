/** Whatever an upstream sends, however it is cut: nothing throws, and every answer ends exactly once. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { readChatAnswer } from "../../src/pipeline/answer.ts";
import { ByteLane } from "../../src/pipeline/byte-lane.ts";
import { HubLane } from "../../src/pipeline/hub-lane.ts";
import type { LaneSink, StreamLane, TailFrame } from "../../src/pipeline/lane.ts";
import { clientOf } from "../../src/providers/dialects/clients.ts";
import type { ClientHead } from "../../src/providers/dialects/client.ts";
import { parseChatRequest } from "../../src/providers/dialects/chat-surface.ts";
import type { DecodeContext } from "../../src/providers/dialects/dialect.ts";
import { dialectById } from "../../src/providers/dialects/index.ts";
import { PROVIDERS } from "../../src/providers/registry.ts";
import type { UpstreamError } from "../../src/wire/outcome.ts";
import { UNITS, type Usage } from "../../src/wire/usage.ts";
import { damages, splits } from "./damage.ts";
import { streamsOf, type Damaged } from "./streams.ts";

const RUNS = 400;
const USAGE_OF: Readonly<Record<Damaged, readonly string[]>> = { "openai-chat": ["openai", "groq", "xai", "mistral", "deepseek", "openai-compatible"], "anthropic-messages": ["anthropic"], gemini: ["google"] };
const ASKED = parseChatRequest({ model: "m", messages: [{ role: "user", content: "hi" }], stream: true, stream_options: { include_usage: true } });
if (ASKED.kind === "error") throw new Error(ASKED.error.message);
const HEAD: ClientHead = { requestId: "1", model: "m", createdS: 1, request: ASKED.request, raw: {}, simulated: false };
const client = clientOf("chat");

/** A sink that keeps what it is told and objects to whatever the contract of a lane forbids. */
class StrictSink implements LaneSink {
  readonly shown: Uint8Array[] = [];
  readonly tails: TailFrame[] = [];
  usage: Usage | null = null;
  finish: string | null = null;
  error: UpstreamError | null = null;
  over: "done" | "failed" | null = null;
  activity(): void {
    assert.equal(this.over, null, "a sign of life after the end");
  }
  lifecycle(bytes: Uint8Array): void {
    this.#show(bytes);
  }
  content(bytes: Uint8Array, events: number, textBytes: number): void {
    assert.ok(events >= 0 && textBytes >= 0);
    this.#show(bytes);
  }
  finished(reason: string): void {
    assert.equal(this.over, null, "finished after the end");
    assert.equal(this.finish, null, "finished twice");
    this.finish = reason;
  }
  tail(frame: TailFrame): void {
    assert.equal(this.over, null, "a tail after the end");
    assert.notEqual(this.finish, null, "a tail before the finish");
    this.tails.push({ ...frame, bytes: frame.bytes.slice() });
  }
  usageSeen(usage: Usage): void {
    for (const unit of UNITS) {
      const count = usage.units[unit];
      assert.ok(count === undefined || (Number.isSafeInteger(count) && count >= 0), `${unit} is ${count}`);
    }
    this.usage = usage;
  }
  warning(message: string): void {
    assert.equal(typeof message, "string");
  }
  failed(error: UpstreamError): void {
    assert.equal(this.over, null, "a second end");
    assert.equal(typeof error.message, "string");
    this.error = error;
    this.over = "failed";
  }
  done(): void {
    assert.equal(this.over, null, "a second end");
    this.over = "done";
  }
  #show(bytes: Uint8Array): void {
    assert.equal(this.over, null, "something shown after the end");
    // Copied: a lane may give parts of a buffer that it uses again.
    this.shown.push(bytes.slice());
  }
  get text(): string {
    return Buffer.concat([...this.shown, ...this.tails.map((frame) => frame.bytes)]).toString();
  }
}

function laneFor(dialect: Damaged, context: DecodeContext, sink: LaneSink, choices: number): StreamLane {
  const decoder = dialectById(dialect).openStream(context);
  if (dialect === "openai-chat") return new ByteLane(sink, decoder, choices);
  return new HubLane(sink, decoder, client.openEncoder(HEAD), choices);
}

function play(dialect: Damaged, provider: string, pieces: readonly Uint8Array[], choices: number): StrictSink {
  const sink = new StrictSink();
  const usage = PROVIDERS.get(provider)?.usage;
  assert.ok(usage !== undefined);
  const lane = laneFor(dialect, { usage, upstreamModel: "m" }, sink, choices);
  for (const piece of pieces) lane.push(piece);
  lane.end();
  // Whoever holds the lane may be told of the end again by the socket.
  lane.push(new Uint8Array([100]));
  lane.end();
  return sink;
}

for (const dialect of ["openai-chat", "anthropic-messages", "gemini"] as const) {
  const { streams, answers } = streamsOf(dialect);
  const providers = USAGE_OF[dialect];

  describe(dialect, () => {
    test("no damage to a stream makes its decoder throw or end twice, and what is shown stays readable", () => {
      fc.assert(
        fc.property(fc.constantFrom(...streams), fc.constantFrom(...providers), damages, splits, fc.constantFrom(1, 1, 1, 2, 5), (stream, provider, damage, split, choices) => {
          const sink = play(dialect, provider, split(Buffer.from(damage(stream))), choices);
          if (dialect === "openai-chat") return;
          // Chunks of our own making are whole, whatever they were made from.
          for (const event of sink.text.split("\n\n").filter((one) => one !== "")) assert.equal(typeof JSON.parse(event.replace(/^data: /, "")), "object");
        }),
        { numRuns: RUNS },
      );
    });

    test("bytes that are no stream at all are no reason to throw", () => {
      fc.assert(
        fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 10 }), (pieces) => {
          const sink = play(dialect, providers[0] as string, pieces, 1);
          assert.equal(sink.finish, null);
        }),
        { numRuns: RUNS / 2 },
      );
    });

    test("how a stream is cut into reads changes nothing of what is told", () => {
      fc.assert(
        fc.property(fc.constantFrom(...streams), damages, splits, (stream, damage, split) => {
          const bytes = Buffer.from(damage(stream));
          const [whole, cut] = [play(dialect, providers[0] as string, [bytes], 1), play(dialect, providers[0] as string, split(bytes), 1)];
          assert.equal(cut.text, whole.text);
          assert.deepEqual([cut.finish, cut.over, cut.usage, cut.error], [whole.finish, whole.over, whole.usage, whole.error]);
        }),
        { numRuns: RUNS / 2 },
      );
    });

    test("no damage to a whole answer makes its reader throw", () => {
      fc.assert(
        fc.property(fc.constantFrom(...answers), fc.constantFrom(...providers), damages, (answer, provider, damage) => {
          const usage = PROVIDERS.get(provider)?.usage;
          assert.ok(usage !== undefined);
          const read = readChatAnswer(Buffer.from(damage(answer)), dialectById(dialect), { usage, upstreamModel: "m" }, dialect === "openai-chat" ? null : (events) => client.encodeAnswer(events, HEAD));
          // Decoded as clients do: a byte order mark is skipped.
          if (read.kind === "answer") assert.equal(typeof JSON.parse(new TextDecoder().decode(read.body)), "object");
          else assert.equal(typeof read.error.message, "string");
        }),
        { numRuns: RUNS },
      );
    });

    test("no error answer makes its classifier throw", () => {
      const bodies = [`{"error":{"message":"m","type":"t","param":null,"code":"c","status":"S","details":[{"@type":"x.RetryInfo","retryDelay":"34.4s"}]}}`, `{"type":"error","error":{"type":"overloaded_error","message":"m","details":{"error_code":"c"}}}`, `[{"error":{"code":429,"message":"m"}}]`];
      fc.assert(
        fc.property(fc.constantFrom(...bodies), damages, fc.integer({ min: 300, max: 599 }), fc.option(fc.string(), { nil: undefined }), (body, damage, status, header) => {
          const text = damage(body);
          let parsed;
          try {
            parsed = JSON.parse(text);
          } catch {
            // Not JSON any more: the classifier gets the text alone.
            parsed = undefined;
          }
          const error = dialectById(dialect).readError(status, () => header, parsed, text, 1_700_000_000_000);
          assert.equal(error.status, status);
          assert.equal(typeof error.message, "string");
          assert.ok(error.code === null || typeof error.code === "string");
          assert.ok(error.type === null || typeof error.type === "string");
          assert.ok(error.param === null || typeof error.param === "string");
          assert.ok(error.retryAfterMs === null || (Number.isFinite(error.retryAfterMs) && error.retryAfterMs >= 0), `retry after ${error.retryAfterMs}`);
        }),
        { numRuns: RUNS },
      );
    });
  });
}
