import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { SseFramer, eventOf } from "./sse.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

interface Seen {
  event: string;
  data: string;
  raw: string;
}
function frameAll(bytes: Uint8Array, cuts: readonly number[]): Seen[] {
  const seen: Seen[] = [];
  const framer = new SseFramer((frame) => {
    seen.push({ ...eventOf(frame), raw: decoder.decode(frame.bytes.subarray(frame.start, frame.end)) });
  });
  let from = 0;
  for (const cut of [...cuts, bytes.length]) {
    assert.equal(framer.push(bytes.slice(from, cut)), null);
    from = cut;
  }
  framer.end();
  return seen;
}

const TEXT = 'data: {"a":"hé€😀"}\n\nevent: ping\r\ndata:x\r\ndata: y\r\n\r\n: comment\n\ndata\rid: 7\r\rdata: last';

test("events with LF, CRLF and CR, several data lines, comments and a missing last blank line are framed", () => {
  const seen = frameAll(encoder.encode(TEXT), []);
  assert.deepEqual(
    seen.map(({ event, data }) => [event, data]),
    [["", '{"a":"hé€😀"}'], ["ping", "x\ny"], ["", ""], ["", ""], ["", "last"]],
  );
  assert.equal(seen.map((one) => one.raw).join(""), TEXT, "the raw bytes of all events are the body");
});

test("any split of the bytes gives the same events, also inside characters and line ends", () => {
  const bytes = encoder.encode(TEXT);
  const whole = frameAll(bytes, []);
  fc.assert(
    fc.property(fc.uniqueArray(fc.integer({ min: 0, max: bytes.length }), { maxLength: 40 }), (cuts) => {
      assert.deepEqual(frameAll(bytes, cuts.toSorted((a, b) => a - b)), whole);
    }),
  );
  assert.deepEqual(frameAll(bytes, [...bytes.keys()]), whole, "byte by byte");
});

test("generated events survive framing under any split", () => {
  const line = fc.string({ unit: "grapheme", maxLength: 20 }).map((text) => text.replaceAll(/[\r\n]/g, "."));
  const event = fc.record({ event: line, data: fc.array(line, { minLength: 1, maxLength: 3 }), eol: fc.constantFrom("\n", "\r\n", "\r") });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 6 }), fc.array(fc.nat(), { maxLength: 12 }), (events, cutSeeds) => {
      const text = events
        .map(({ event, data, eol }) => `event: ${event}${eol}${data.map((one) => `data: ${one}${eol}`).join("")}${eol}`)
        .join("");
      const bytes = encoder.encode(text);
      const cuts = cutSeeds.map((seed) => seed % (bytes.length + 1)).toSorted((a, b) => a - b);
      const expected = events.map(({ event, data }) => [event, data.join("\n")]);
      assert.deepEqual(frameAll(bytes, cuts).map((one) => [one.event, one.data]), expected);
    }),
  );
});

test("a byte order mark is skipped once", () => {
  assert.deepEqual(frameAll(Uint8Array.of(0xef, 0xbb, 0xbf, ...encoder.encode("data: a\n\n")), []).map((one) => one.data), ["a"]);
});

test("a line or an event over its bound is a problem, not memory", () => {
  const limits = { lineBytes: 64, eventBytes: 256 };
  const framer = new SseFramer(() => undefined, limits);
  let problem = null;
  for (let i = 0; i < 200 && problem === null; i++) problem = framer.push(encoder.encode("abcd"));
  assert.equal(problem, "line_too_long");
  const many = new SseFramer(() => undefined, limits);
  problem = null;
  for (let i = 0; i < 200 && problem === null; i++) problem = many.push(encoder.encode("data: x\n"));
  assert.equal(problem, "event_too_long");
});
