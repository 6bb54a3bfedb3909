import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { crc32 as zlibCrc32 } from "node:zlib";
import fc from "fast-check";
import { EventStreamFramer, crc32, encodeMessage, eventOfMessage, type EventStreamProblem } from "./event-stream.ts";
import type { SseEvent } from "./sse-event.ts";

const encoder = new TextEncoder();

interface Framed {
  readonly events: readonly SseEvent[];
  /** Raw bytes of each message, joined. */
  readonly raw: Uint8Array;
  readonly problem: EventStreamProblem | null;
}

/** Push `bytes` cut at these places, then end. */
function frame(bytes: Uint8Array, cuts: readonly number[] = [], maxBytes?: number): Framed {
  const events: SseEvent[] = [];
  const raw: Uint8Array[] = [];
  const framer = new EventStreamFramer((one) => {
    events.push(eventOfMessage(one));
    raw.push(one.bytes.slice(one.start, one.end));
  }, maxBytes);
  let from = 0;
  for (const cut of [...new Set(cuts)].filter((at) => at < bytes.length).toSorted((a, b) => a - b)) {
    framer.push(bytes.slice(from, cut));
    from = cut;
  }
  framer.push(bytes.slice(from));
  return { events, raw: Buffer.concat(raw), problem: framer.end() };
}

function event(type: string, data: string): Uint8Array {
  return encodeMessage([[":event-type", type], [":content-type", "application/json"], [":message-type", "event"]], data);
}

const STREAM = Buffer.concat([
  event("messageStart", '{"role":"assistant"}'),
  event("contentBlockDelta", '{"delta":{"text":"Grüße 👋"}}'),
  event("empty", ""),
  encodeMessage([[":message-type", "exception"], [":exception-type", "throttlingException"]], '{"message":"slow"}'),
]);
const EVENTS: readonly SseEvent[] = [
  { event: "messageStart", data: '{"role":"assistant"}' },
  { event: "contentBlockDelta", data: '{"delta":{"text":"Grüße 👋"}}' },
  { event: "empty", data: "" },
  { event: "throttlingException", data: '{"message":"slow"}' },
];

test("a message is laid out as the format says", () => {
  // Lengths 29 and 13, no payload; the checksums are of an independent implementation.
  const header = [1, 97, 7, 0, 9, ...encoder.encode("some text")].slice(0, 14);
  const prelude = [0, 0, 0, 30, 0, 0, 0, 14];
  const expected = Buffer.alloc(30);
  expected.set(prelude);
  expected.writeUInt32BE(zlibCrc32(Buffer.from(prelude)), 8);
  expected.set(header, 12);
  expected.writeUInt32BE(zlibCrc32(expected.subarray(0, 26)), 26);
  assert.deepEqual(Buffer.from(encodeMessage([["a", "some text"]], "")), expected);
});

test("the checksum is the common CRC-32", () => {
  assert.equal(crc32(encoder.encode("123456789")), 0xcbf43926);
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => assert.equal(crc32(bytes), zlibCrc32(bytes))));
});

test("events are the same wherever the bytes are cut, and the raw bytes come out as they came in", () => {
  assert.deepEqual(frame(STREAM), { events: EVENTS, raw: Buffer.from(STREAM), problem: null });
  for (let cut = 1; cut < STREAM.length; cut++) assert.deepEqual(frame(STREAM, [cut]).events, EVENTS);
  fc.assert(
    fc.property(fc.array(fc.nat(STREAM.length), { maxLength: 40 }), (cuts) => {
      assert.deepEqual(frame(STREAM, cuts), { events: EVENTS, raw: Buffer.from(STREAM), problem: null });
    }),
  );
  const everyByte = Array.from({ length: STREAM.length }, (_, at) => at);
  assert.deepEqual(frame(STREAM, everyByte).events, EVENTS);
});

test("any payload and any headers survive a round trip", () => {
  const word = fc.string({ unit: "grapheme", maxLength: 20 });
  fc.assert(
    fc.property(fc.array(fc.tuple(word, fc.string({ unit: "grapheme", maxLength: 200 })), { maxLength: 8 }), fc.nat(5_000), (messages, cut) => {
      const bytes = Buffer.concat(messages.map(([type, data]) => event(type, data)));
      // A byte order mark at the very start of text is no part of it.
      const expected = messages.map(([type, data]) => ({ event: type.replace(/^\ufeff/, ""), data: data.replace(/^\ufeff/, "") }));
      assert.deepEqual(frame(bytes, [cut]).events, expected);
    }),
  );
});

test("a bit that changed anywhere is noticed before its message is told", () => {
  for (let at = 0; at < STREAM.length; at++) {
    const broken = Uint8Array.from(STREAM);
    broken[at] = (broken[at] as number) ^ (1 << (at % 8));
    const { events, problem } = frame(broken);
    assert.notEqual(problem, null, `byte ${at}`);
    assert.deepEqual(events, EVENTS.slice(0, events.length), `byte ${at}`);
    assert.ok(events.length < EVENTS.length, `byte ${at}`);
  }
});

test("bytes of any kind give messages or a problem, never a throw", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), fc.array(fc.nat(400), { maxLength: 6 }), (bytes, cuts) => {
      const { events, problem } = frame(bytes, cuts);
      assert.ok(events.length === 0 && (problem !== null || bytes.length === 0));
    }),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(STREAM.length - 1), fc.nat(255)), { maxLength: 5 }), fc.array(fc.nat(STREAM.length), { maxLength: 6 }), (changes, cuts) => {
      const mutated = Uint8Array.from(STREAM);
      for (const [at, byte] of changes) mutated[at] = byte;
      assert.ok(frame(mutated, cuts).events.length <= EVENTS.length);
    }),
  );
});

test("headers with checksums that fit and contents that do not are malformed", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 60 }), (headers) => {
      const { events, problem } = frame(sealed(headers));
      assert.ok((problem === "malformed" && events.length === 0) || (problem === null && events.length === 1));
    }),
  );
  assert.equal(frame(sealed(Uint8Array.of(1, 97, 7, 0))).problem, "malformed");
  assert.equal(frame(sealed(Uint8Array.of(1, 97, 7, 0, 9, 1))).problem, "malformed");
  assert.equal(frame(sealed(Uint8Array.of(1, 97, 10))).problem, "malformed");
});

/** A message with these header bytes and right checksums. */
function sealed(headers: Uint8Array): Uint8Array {
  const out = Buffer.alloc(16 + headers.length);
  out.writeUInt32BE(out.length, 0);
  out.writeUInt32BE(headers.length, 4);
  out.writeUInt32BE(zlibCrc32(out.subarray(0, 8)), 8);
  out.set(headers, 12);
  out.writeUInt32BE(zlibCrc32(out.subarray(0, -4)), out.length - 4);
  return out;
}

test("header values of every type are passed over", () => {
  const headers = Buffer.concat([
    Uint8Array.of(1, 97, 0), Uint8Array.of(1, 98, 1), Uint8Array.of(1, 99, 2, 9), Uint8Array.of(1, 100, 3, 9, 9), Uint8Array.of(1, 101, 4, 1, 2, 3, 4),
    Uint8Array.of(1, 102, 5, 1, 2, 3, 4, 5, 6, 7, 8), Uint8Array.of(1, 103, 6, 0, 2, 7, 7), Uint8Array.of(1, 104, 8, 1, 2, 3, 4, 5, 6, 7, 8),
    Uint8Array.of(1, 105, 9, ...new Uint8Array(16)), Uint8Array.of(11), encoder.encode(":event-type"), Uint8Array.of(7, 0, 1, 120),
  ]);
  assert.deepEqual(frame(sealed(headers)), { events: [{ event: "x", data: "" }], raw: sealed(headers), problem: null });
});

test("an error without a payload has its code and words", () => {
  const bytes = encodeMessage([[":message-type", "error"], [":error-code", "InternalError"], [":error-message", "it broke"]], "");
  assert.deepEqual(frame(bytes).events, [{ event: "InternalError", data: '{"__type":"InternalError","message":"it broke"}' }]);
});

test("a message over the bound is a problem at its prelude, not memory", () => {
  const huge = Buffer.alloc(12);
  huge.writeUInt32BE(17 << 20, 0);
  huge.writeUInt32BE(zlibCrc32(huge.subarray(0, 8)), 8);
  assert.equal(frame(huge).problem, "message_too_long");
  assert.equal(frame(event("a", "x".repeat(2_000)), [], 1_000).problem, "message_too_long");
});

test("a body that ends inside a message is incomplete, and after a problem nothing more is told", () => {
  for (let length = 1; length < 60; length++) assert.equal(frame(STREAM.subarray(0, length)).problem, "incomplete");
  let told = 0;
  const framer = new EventStreamFramer(() => told++);
  assert.equal(framer.push(new Uint8Array(12)), "bad_checksum");
  assert.equal(framer.push(STREAM), "bad_checksum");
  assert.equal(told, 0);
});

const RECORDED = join(process.env.SPILLWAY_SHARED ?? "../shared", "data/fixtures/agentgateway/response");
describe("recorded streams", { skip: existsSync(RECORDED) ? false : "shared data is absent" }, () => {
  test("a recorded binary stream frames into its events", () => {
    const { events, problem } = frame(readFileSync(join(RECORDED, "bedrock/basic.bin")));
    assert.equal(problem, null);
    assert.deepEqual(events.map((one) => one.event), [
      "messageStart", "contentBlockDelta", "contentBlockDelta", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata",
    ]);
  });

  test("a recorded stream that was torn is a problem", () => {
    const { events, problem } = frame(readFileSync(join(RECORDED, "detect/bedrock-broken.bin")));
    assert.deepEqual(events, []);
    assert.notEqual(problem, null);
  });
});
