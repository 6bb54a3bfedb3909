/** The parser by itself: any split gives the same, no damage makes it throw or read beyond its bounds. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { AnswerParser, CHUNK_LINE_BYTES, HEAD_BYTES, HEAD_FIELDS, headerOf, INFORMATIONAL_MAX, TRAILER_BYTES } from "./http1-parser.ts";

interface Read {
  readonly status: number;
  readonly lines: readonly string[];
  readonly body: string;
  readonly keepAlive: boolean;
  /** `done`, `open`, or the class of the problem. */
  readonly ending: string;
  /** Bytes left over behind the end. */
  readonly surplus: number;
}

/** Feed pieces as a connection would. */
function read(pieces: readonly Buffer[], toHead = false): Read {
  const parser = new AnswerParser();
  parser.begin(toHead);
  let body = "";
  let surplus = 0;
  for (const piece of pieces) {
    // The parser moves bytes about inside what it was fed.
    const bytes = Buffer.from(piece);
    let at = 0;
    while (at < bytes.length && !parser.done && parser.problem === null) {
      const next = parser.feed(bytes, at);
      assert.ok(next > at && next <= bytes.length + 4, "it goes on, and not beyond the bytes");
      assert.ok(parser.dataStart >= at && parser.dataEnd <= next);
      at = next;
      body += bytes.toString("latin1", parser.dataStart, parser.dataEnd);
    }
    surplus += bytes.length - Math.min(at, bytes.length);
  }
  const ending = parser.problem === null ? (parser.done ? "done" : "open") : parser.problem.class;
  return { status: parser.status, lines: parser.lines, body, keepAlive: parser.keepAlive, ending, surplus };
}
const readText = (text: string): Read => read([Buffer.from(text, "latin1")]);

const OK = "HTTP/1.1 200 OK\r\n";
const CHUNKED = `${OK}transfer-encoding: chunked\r\n\r\n`;

/** A sound answer, and its body. */
const answers = fc
  .record({
    hints: fc.nat({ max: 2 }),
    fields: fc.array(fc.tuple(fc.stringMatching(/^x-[A-Za-z]{0,9}$/), fc.stringMatching(/^[ -~\x80-\xff]{0,12}$/)), { maxLength: 6 }),
    chunks: fc.array(fc.uint8Array({ minLength: 1, maxLength: 90 }), { maxLength: 5 }),
    chunked: fc.boolean(),
    trailer: fc.boolean(),
  })
  .map(({ hints, fields, chunks, chunked, trailer }) => {
    const body = Buffer.concat(chunks).toString("latin1");
    const head = `${"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n".repeat(hints)}${OK}${fields.map(([name, value]) => `${name}: ${value}\r\n`).join("")}`;
    const framed = chunked
      ? `transfer-encoding: Chunked\r\n\r\n${chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${Buffer.from(chunk).toString("latin1")}\r\n`).join("")}0\r\n${trailer ? "x-sum: 1\r\n" : ""}\r\n`
      : `content-length: ${body.length}\r\n\r\n${body}`;
    return { bytes: Buffer.from(head + framed, "latin1"), body };
  });

function split(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
  return places.slice(1).map((end, i) => bytes.subarray(places[i], end));
}

describe("an answer", () => {
  it("is read the same in one piece, in any pieces, and byte by byte", () => {
    fc.assert(
      fc.property(answers, fc.array(fc.nat({ max: 2_000 }), { maxLength: 8 }), ({ bytes, body }, cuts) => {
        const whole = read([bytes]);
        assert.equal(whole.ending, "done");
        assert.equal(whole.body, body);
        assert.equal(whole.surplus, 0);
        assert.deepEqual(read(split(bytes, cuts)), whole);
        assert.deepEqual(read([...bytes].map((byte) => Buffer.of(byte))), whole);
      }),
      { numRuns: 300 },
    );
  });

  it("that is damaged never makes it throw, and is judged the same whatever the split", () => {
    fc.assert(
      fc.property(answers, fc.nat(), fc.integer({ min: 0, max: 255 }), fc.nat(), fc.array(fc.nat({ max: 2_000 }), { maxLength: 5 }), ({ bytes }, at, byte, kind, cuts) => {
        const place = at % bytes.length;
        const more = kind % 3 === 0 ? [byte] : kind % 3 === 1 ? [byte, bytes[place] as number] : [];
        const damaged = Buffer.concat([bytes.subarray(0, place), Buffer.from(more), bytes.subarray(place + 1)]);
        const whole = read([damaged]);
        const pieces = read(split(damaged, cuts));
        // A head that is damaged may be refused before it is whole; that is the only difference.
        if (whole.ending === "done") assert.deepEqual(pieces, whole);
        else assert.ok(pieces.ending === whole.ending || (whole.ending === "open" && pieces.ending === "malformed"), `${whole.ending} ${pieces.ending}`);
      }),
      { numRuns: 500 },
    );
  });

  it("is handed on in one piece a read, however many chunks it came in", () => {
    const parser = new AnswerParser();
    parser.begin(false);
    const bytes = Buffer.from(`${CHUNKED}${"1\r\na\r\n".repeat(100)}64\r\n${"b".repeat(100)}\r\n0\r\n\r\n`);
    const at = parser.feed(bytes, 0);
    assert.equal(parser.headDone, true);
    parser.feed(bytes, at);
    assert.equal(bytes.toString("latin1", parser.dataStart, parser.dataEnd), "a".repeat(100) + "b".repeat(100));
    assert.equal(parser.done, true);
  });

  it("to HEAD has no body", () => {
    assert.deepEqual([read([Buffer.from(`${OK}content-length: 5\r\n\r\n`)], true).ending], ["done"]);
  });

  it("leaves what comes behind it", () => {
    assert.equal(readText(`${OK}content-length: 2\r\n\r\nokHTTP`).surplus, 4);
    assert.equal(readText(`${CHUNKED}0\r\n\r\nHTTP`).surplus, 4);
  });

  it("says whether the connection lives on", () => {
    assert.equal(readText(`${OK}content-length: 0\r\n\r\n`).keepAlive, true);
    for (const more of ["connection: close", "Connection: keep-alive, Close"]) assert.equal(readText(`${OK}${more}\r\ncontent-length: 0\r\n\r\n`).keepAlive, false);
    assert.equal(readText("HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 0\r\n\r\n").keepAlive, false);
    assert.equal(readText(`${OK}\r\n`).keepAlive, false);
  });
});

describe("a bound holds at its edge:", () => {
  const rows: readonly (readonly [what: string, bytes: (over: number) => string, refusal: string])[] = [
    ["bytes of the head", (over) => `${OK}x: ${"y".repeat(HEAD_BYTES - OK.length - "x: \r\ncontent-length: 0".length + over)}\r\ncontent-length: 0\r\n\r\n`, "too_large"],
    ["fields of the head", (over) => `${OK}${"x: y\r\n".repeat(HEAD_FIELDS - 1 + over)}content-length: 0\r\n\r\n`, "too_large"],
    ["answers before the answer", (over) => `${"HTTP/1.1 103 x\r\n\r\n".repeat(INFORMATIONAL_MAX + over)}${OK}content-length: 0\r\n\r\n`, "malformed"],
    ["a chunk's size line", (over) => `${CHUNKED}1;${"x".repeat(CHUNK_LINE_BYTES - 2 + over)}\r\na\r\n0\r\n\r\n`, "malformed"],
    ["digits of a chunk's size", (over) => `${CHUNKED}${"0".repeat(7 + over)}1\r\na\r\n0\r\n\r\n`, "too_large"],
    ["bytes of the trailers", (over) => `${CHUNKED}0\r\nx: ${"y".repeat(TRAILER_BYTES - "x: \r\n\r\n".length + over)}\r\n\r\n`, "too_large"],
  ];
  for (const [what, bytes, refusal] of rows) {
    it(what, () => {
      for (const cut of [0, 1]) {
        const of = (over: number): Read => read(cut === 0 ? [Buffer.from(bytes(over))] : split(Buffer.from(bytes(over)), [40, 9_000, 20_000]));
        assert.equal(of(0).ending, "done");
        assert.equal(of(1).ending, refusal);
      }
    });
  }
});

it("what can never become an answer is refused at its first wrong byte", () => {
  for (const text of ["S", "HTTP/2", "HTTX", "\x15\x03\x01", "HTTP/1.1 200 OK\n", `${OK}x: \0`]) assert.equal(readText(text).ending, "malformed", JSON.stringify(text));
  for (const text of ["H", "HTTP/1.", `${OK}x: y\r\n`]) assert.equal(readText(text).ending, "open");
});

it("a header is found by its whole name and no other", () => {
  const lines = ["HTTP/1.1 200 OK", "X-A:1", "x-ab: 2", "a: x-a:3", "__proto__: 4", "x-a: \t 5 \t"];
  assert.equal(headerOf(lines, "x-a"), "1, 5");
  assert.equal(headerOf(lines, "a"), "x-a:3");
  assert.equal(headerOf(lines, "__proto__"), "4");
  assert.equal(headerOf(lines, "constructor"), undefined);
});
