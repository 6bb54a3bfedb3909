/** One suite for every adapter of the Upstream port, on real sockets. Where undici differs, the case says how and why. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { json, raw, recordingUpstream, type Answering, type RecordingUpstream } from "../../test/support/recording-upstream.ts";
import { sendTold, type Told } from "../../test/support/upstream-told.ts";
import { OwnUpstream } from "./upstream-own.ts";
import { UndiciUpstream, type OutboundUpstream } from "./upstream.ts";

const ADAPTERS: Readonly<Record<string, () => OutboundUpstream>> = {
  own: () => new OwnUpstream({ env: {} }),
  undici: () => new UndiciUpstream({ env: {} }),
};
const TLS_FOLDER = new URL("../../test/fixtures/tls/", import.meta.url);
const CA_FILE = new URL("test-cert.pem", TLS_FOLDER).pathname;

const OK = "HTTP/1.1 200 OK\r\n";
const CHUNKED = `${OK}transfer-encoding: chunked\r\n\r\n`;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const repeated = (text: string, times: number): string => text.repeat(times);

/** Raw answers and how they end; the connection closes after each. */
const ENDINGS: Readonly<Record<string, readonly [bytes: string, ending: string, body: string]>> = {
  "a length": [`${OK}content-length: 5\r\n\r\nhello`, "end 200", "hello"],
  "a length of nothing": [`${OK}content-length: 0\r\n\r\n`, "end 200", ""],
  "chunks": [`${CHUNKED}2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n`, "end 200", "hello"],
  "chunks with extensions and trailers": [`${CHUNKED}2;a=b\r\nhe\r\n03;c="d"\r\nllo\r\n0;x\r\nx-sum: 1\r\nx-other: 2\r\n\r\n`, "end 200", "hello"],
  "everything until the close": [`${OK}connection: close\r\n\r\nhello`, "end 200", "hello"],
  "HTTP/1.0": [`HTTP/1.0 200 OK\r\n\r\nhello`, "end 200", "hello"],
  "no content": ["HTTP/1.1 204 No Content\r\n\r\n", "end 204", ""],
  "not modified, with the length of what is not sent": ["HTTP/1.1 304 Not Modified\r\ncontent-length: 100\r\n\r\n", "end 304", ""],
  "no reason phrase": ["HTTP/1.1 200\r\ncontent-length: 2\r\n\r\nok", "end 200", "ok"],
  "hints before it": [`HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n${OK}content-length: 2\r\n\r\nok`, "end 200", "ok"],
  "junk after it": [`${OK}content-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nbad`, "end 200", "ok"],
  "an error": ["HTTP/1.1 503 No\r\ncontent-length: 2\r\n\r\nno", "end 503", "no"],
  "a length that says too much": [`${OK}content-length: 9\r\n\r\nhello`, "network/closed", "hello"],
  "a length that says too little": [`${OK}content-length: 3\r\n\r\nhello`, "end 200", "hel"],
  "chunks without an end": [`${CHUNKED}5\r\nhello\r\n`, "network/closed", "hello"],
  "a chunk cut short": [`${CHUNKED}9\r\nhello`, "network/closed", "hello"],
  "a head cut short": [`${OK}content-le`, "network/closed", ""],
  "nothing": ["", "network/closed", ""],
  "a body cut short on a connection that was to close": [`${OK}connection: close\r\ncontent-length: 9\r\n\r\nhello`, "network/closed", "hello"],
  "both framings": [`${OK}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`, "malformed/protocol", ""],
  "both framings, the other way": [`${OK}transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n`, "malformed/protocol", ""],
  "two lengths": [`${OK}content-length: 5\r\ncontent-length: 6\r\n\r\nhello!`, "malformed/protocol", ""],
  "a length with a sign": [`${OK}content-length: +5\r\n\r\nhello`, "malformed/protocol", ""],
  "a length that is a list": [`${OK}content-length: 5, 5\r\n\r\nhello`, "malformed/protocol", ""],
  "a length beyond all numbers": [`${OK}content-length: 99999999999999999999999\r\n\r\nhello`, "malformed/protocol", ""],
  "a coding that is none": [`${OK}transfer-encoding: identity\r\n\r\nhello`, "malformed/protocol", ""],
  "a coding hidden by another": [`${OK}transfer-encoding: chunked, gzip\r\n\r\nhello`, "malformed/protocol", ""],
  "chunks in HTTP/1.0": ["HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", "malformed/protocol", ""],
  "a size that is none": [`${CHUNKED}zz\r\n`, "malformed/protocol", ""],
  "a size that is empty": [`${CHUNKED}\r\n\r\n`, "malformed/protocol", ""],
  "a size before a bare line feed": [`${CHUNKED}5\nhello\r\n0\r\n\r\n`, "malformed/protocol", ""],
  "a chunk longer than its size": [`${CHUNKED}3\r\nhello\r\n0\r\n\r\n`, "malformed/protocol", "hel"],
  "an endless size line": [`${CHUNKED}5;${repeated("x", 100)}\r\nhello\r\n0\r\n\r\n`, "malformed/protocol", ""],
  "endless trailers": [`${CHUNKED}0\r\n${repeated("x: y\r\n", 8_000)}\r\n`, "too_large/protocol", ""],
  "a folded field": [`${OK}x: a\r\n b\r\ncontent-length: 2\r\n\r\nok`, "malformed/protocol", ""],
  "a bare line feed": [`${OK}x: a\ny: b\r\ncontent-length: 2\r\n\r\nok`, "malformed/protocol", ""],
  "a bare carriage return": [`${OK}x: a\ry: b\r\ncontent-length: 2\r\n\r\nok`, "malformed/protocol", ""],
  "a NUL": [`${OK}x: a\0b\r\ncontent-length: 2\r\n\r\nok`, "malformed/protocol", ""],
  "a space before the colon": [`${OK}content-length : 2\r\n\r\nok`, "malformed/protocol", ""],
  "a field without a name": [`${OK}: 2\r\n\r\nok`, "malformed/protocol", ""],
  "a field without a colon": [`${OK}abc\r\ncontent-length: 2\r\n\r\nok`, "malformed/protocol", ""],
  "a head of 40 KiB": [`${OK}x: ${repeated("y", 40 << 10)}\r\ncontent-length: 2\r\n\r\nok`, "too_large/protocol", ""],
  "a head that never ends": [`${OK}${repeated("x: y\r\n", 20_000)}`, "too_large/protocol", ""],
  "a thousand fields": [`${OK}${repeated("x: y\r\n", 1_000)}content-length: 2\r\n\r\nok`, "too_large/protocol", ""],
  "hints without end": [repeated("HTTP/1.1 103 Early Hints\r\n\r\n", 1_000), "malformed/protocol", ""],
  "a switch of protocols": ["HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n", "malformed/protocol", ""],
  "HTTP/2": ["HTTP/2 200 OK\r\ncontent-length: 2\r\n\r\nok", "malformed/protocol", ""],
  "another protocol": ["SSH-2.0-OpenSSH_9.9\r\n", "malformed/protocol", ""],
  "a status of two digits": ["HTTP/1.1 20 OK\r\ncontent-length: 2\r\n\r\nok", "malformed/protocol", ""],
  "an encoding of which nobody knows": [`${OK}content-encoding: zstd\r\ncontent-length: 2\r\n\r\nok`, "malformed/decompression", ""],
  "a gzip that is none": [`${OK}content-encoding: gzip\r\ncontent-length: 2\r\n\r\nok`, "malformed/decompression", ""],
};

/** Where undici comes to another end, and why that is borne with. */
const UNDICI_DIFFERS: Readonly<Record<string, readonly [ending: string, reason: string]>> = {
  "a body cut short on a connection that was to close": ["malformed/protocol", "its parser ends with an error where the socket's end is expected"],
  "a coding that is none": ["end 200", "reads until the close, which is safe on a connection that is not used again"],
  "a coding hidden by another": ["end 200", "the same"],
  "chunks in HTTP/1.0": ["end 200", "reads the chunks"],
  "an endless size line": ["end 200", "has no bound of its own there; the bound on the whole answer holds"],
  "endless trailers": ["end 200", "drops them without a bound; the clocks hold"],
  "a thousand fields": ["end 200", "bounds bytes, not fields"],
  "hints without end": ["network/closed", "drops them without a bound; the clocks hold"],
  "a switch of protocols": ["network/closed", "its word for it"],
};

for (const [adapter, open] of Object.entries(ADAPTERS)) {
  describe(adapter, () => {
    let provider: RecordingUpstream;
    let upstream: OutboundUpstream;
    before(async () => {
      provider = await recordingUpstream();
    });
    after(() => provider.close());
    beforeEach(() => {
      upstream = open();
      upstream.allow([provider.origin]);
    });
    afterEach(async () => {
      await upstream.close();
      if (upstream instanceof OwnUpstream) assert.equal(upstream.openSockets(), 0, "a socket is left");
    });
    const send = (more: Parameters<typeof sendTold>[2] = {}, onEvent?: Parameters<typeof sendTold>[3]): Told => sendTold(upstream, more.origin ?? provider.origin, more, onEvent);
    const answered = async (answering: Answering, more: Parameters<typeof sendTold>[2] = {}): Promise<Told> => {
      provider.answer(answering);
      const told = send(more);
      await told.over;
      return told;
    };

    for (const [what, [bytes, ending, body]] of Object.entries(ENDINGS)) {
      it(`${ending.startsWith("end") ? "takes" : "refuses"} ${what}`, async () => {
        const told = await answered(raw(Buffer.from(bytes, "latin1")));
        const other = adapter === "undici" ? UNDICI_DIFFERS[what] : undefined;
        assert.equal(told.ending, other?.[0] ?? ending, told.failure?.message);
        if (other === undefined) assert.equal(told.body, body);
        assert.equal(told.events.filter((event) => event === "end" || event === "failure").length, 1);
        assert.equal(told.events[0], "sent");
      });
    }

    it("reads the same from any split of the bytes", async () => {
      const whole = ["a length", "chunks", "chunks with extensions and trailers", "hints before it", "everything until the close", "both framings", "a chunk longer than its size"];
      await fc.assert(
        fc.asyncProperty(fc.constantFrom(...whole), fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 6 }), async (what, cuts) => {
          const [text, ending, body] = ENDINGS[what] ?? ["", "", ""];
          const bytes = Buffer.from(text, "latin1");
          const places = [0, ...cuts.map((cut) => Math.floor(cut * bytes.length)).toSorted((a, b) => a - b), bytes.length];
          const told = await answered((_call, socket) => void writePieces(socket, places.slice(1).map((end, i) => bytes.subarray(places[i], end))));
          assert.equal(told.ending, ending);
          assert.equal(told.body, body);
        }),
        { numRuns: 60 },
      );
    });

    it("sends what it was given, in one piece or several, and nothing of its own but framing", async () => {
      const large = Buffer.alloc(100_000, "x");
      for (const body of [Buffer.from("{}"), [Buffer.from("{"), Buffer.from("}")], large, [large, Buffer.from("y")]]) {
        await answered(json({}), { headers: ["content-type", "a/b", "X-Two", "é"], body });
        const call = provider.calls.at(-1);
        assert.deepEqual(call?.body, body instanceof Uint8Array ? body : Buffer.concat(body));
        assert.equal(`${call?.method} ${call?.target}`, "POST /v1/x");
        assert.equal(call?.header("x-two"), "é");
        assert.equal(call?.header("host"), provider.origin.slice("http://".length));
        assert.equal(call?.header("content-length"), String(call?.body.length));
        assert.deepEqual(call?.headers.map(([name]) => name.toLowerCase()).toSorted(), ["connection", "content-length", "content-type", "host", "x-two"]);
      }
    });

    it("sends nothing that could be read as two requests", async () => {
      const before = provider.calls.length;
      for (const more of [{ headers: ["x", "a\r\ny: b"] }, { headers: ["x\r\ny", "a"] }, { headers: ["x", "a\0b"] }, { headers: ["transfer-encoding", "chunked"] }, { path: "/ HTTP/1.1\r\nx: y" }, { headers: ["content-length", "7"] }]) {
        const told = send(more);
        // undici tells this before send returns; the pipeline bears both.
        if (adapter === "own") assert.deepEqual(told.events, []);
        await told.over;
        assert.equal(told.events.at(-1), "failure");
        assert.equal(told.failure?.sent, false);
      }
      assert.equal(provider.calls.length, before);
    });

    it("joins values of one name, and looks names up in lower case", async () => {
      const told = await answered(raw(`${OK}X-A: 1\r\nx-a:2\r\nRetry-After:\t7\r\nx-ab: 3\r\ncontent-length: 0\r\n\r\n`));
      assert.equal(told.header("x-a"), "1, 2");
      assert.equal(told.header("retry-after"), "7");
      assert.equal(told.header("x"), undefined);
    });

    it("asks for a head and waits for no body", async () => {
      const told = await answered(raw(`${OK}content-length: 500\r\n\r\n`, false), { method: "HEAD", body: null });
      assert.equal(told.ending, "end 200");
    });

    it("keeps a connection for the next call, and opens as many as there are calls at once", async () => {
      provider.answer(json({}));
      const before = provider.connections();
      for (let i = 0; i < 3; i++) {
        await send().over;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      assert.equal(provider.connections(), before + 1);
      const many = Array.from({ length: 200 }, () => send());
      await Promise.all(many.map((told) => told.over));
      assert.deepEqual([...new Set(many.map((told) => told.ending))], ["end 200"]);
      assert.ok(provider.connections() <= before + 201);
    });

    it("does not use a connection again that closed meanwhile, was told to close, or brought more than was asked", async () => {
      for (const answering of [raw(`${OK}content-length: 2\r\n\r\nok`), raw(`${OK}connection: close\r\ncontent-length: 2\r\n\r\nok`, false), raw(`${OK}content-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nbad`, false)]) {
        assert.equal((await answered(answering)).body, "ok");
        const next = await answered(json("{}"));
        assert.equal(next.ending, "end 200");
        assert.equal(next.body, "{}");
      }
    });

    it("repeats nothing by itself when a kept connection dies under a call", async () => {
      await answered(json({}));
      await new Promise((resolve) => setTimeout(resolve, 5));
      const before = provider.calls.length;
      const told = await answered((_call, socket) => socket.destroy());
      assert.match(told.ending, /^network\/(reset|closed)$/);
      assert.equal(told.failure?.sent, true);
      assert.equal(provider.calls.length, before + 1);
    });

    it("tells a reset from an end: before the head, and after it", async () => {
      assert.equal((await answered((_call, socket) => socket.resetAndDestroy())).ending, "network/reset");
      const told = await answered((_call, socket) => {
        socket.write(`${OK}content-length: 9\r\n\r\nhello`, () => setTimeout(() => socket.resetAndDestroy(), 20));
      });
      assert.equal(told.ending, "network/reset");
      assert.equal(told.body, "hello");
    });

    it("waits for slow drips", async () => {
      const told = await answered((_call, socket) => void writePieces(socket, [...Buffer.from(`${CHUNKED}1\r\na\r\n1\r\nb\r\n0\r\n\r\n`)].map((byte) => Buffer.of(byte))));
      assert.equal(told.body, "ab");
    });

    for (const [encoding, compress] of [["gzip", gzipSync], ["br", brotliCompressSync], ["deflate", deflateSync]] as const) {
      it(`takes ${encoding} off, and cuts a bomb off`, async () => {
        const text = repeated("data: x\n\n", 50_000);
        const packed = (bytes: Buffer): Buffer => Buffer.concat([Buffer.from(`${OK}content-encoding: ${encoding}\r\ncontent-length: ${bytes.length}\r\n\r\n`), bytes]);
        const told = await answered(raw(packed(compress(text)), false));
        assert.ok(told.body === text);
        assert.equal(told.ending, "end 200");
        const bomb = await answered(raw(packed(compress(Buffer.alloc(24 << 20))), false));
        assert.equal(bomb.ending, "too_large/decompression");
        assert.ok(bomb.body.length < 16 << 20);
      });
    }

    it("reads no further while it is paused, and everything after it", async () => {
      const size = 24 << 20;
      let written = 0;
      provider.answer((_call, socket) => {
        socket.write(`${OK}content-length: ${size}\r\n\r\n`);
        const piece = Buffer.alloc(64 << 10, "x");
        const more = (): void => {
          while (written < size) {
            written += piece.length;
            if (!socket.write(piece)) break;
          }
        };
        socket.on("drain", more);
        more();
      });
      const told = send({}, (event, one) => event === "data" && one.pieces.length === 1 && one.call.pause());
      await told.until("data");
      let before = -1;
      while (before !== written) {
        before = written;
        await new Promise((resolve) => setTimeout(resolve, 60));
      }
      assert.ok(written < size, "everything was read in spite of the pause");
      assert.equal(told.pieces.length, 1);
      told.call.resume();
      await told.over;
      assert.equal(told.body.length, size);
    });

    it("closes the connection when it is aborted, at every stage, and tells nothing after", async () => {
      for (const stage of ["sent", "headers", "data"] as const) {
        provider.answer((_call, socket) => {
          if (stage !== "sent") socket.write(`${OK}content-length: 9\r\n\r\n${stage === "data" ? "hello" : ""}`);
        });
        const told = send({}, (event, one) => event === stage && queueMicrotask(() => one.call.abort()));
        await told.until(stage);
        await turn();
        const { length } = told.events;
        for (let tries = 0; provider.open() > 0 && tries < 100; tries++) await new Promise((resolve) => setTimeout(resolve, 5));
        assert.equal(provider.open(), 0, stage);
        assert.equal(told.events.length, length);
      }
      const unsent = send();
      unsent.call.abort();
      await turn();
      assert.deepEqual(unsent.events.filter((event) => event !== "sent"), []);
    });

    it("turns an exception of the handler into a failure of that call alone", async () => {
      for (const stage of ["headers", "data"] as const) {
        provider.answer(raw(`${OK}content-length: 5\r\n\r\nhello`, false));
        const told = send({}, (event) => {
          if (event === stage) throw new Error("a defect");
        });
        await told.over;
        assert.equal(told.ending, "network/failed");
      }
      assert.equal((await answered(json({}))).ending, "end 200");
    });

    it("says that nothing was sent when nobody listens, nobody has the name, or the origin is not configured", async () => {
      const closed = createServer().listen(0, "127.0.0.1");
      await once(closed, "listening");
      const refused = `http://127.0.0.1:${(closed.address() as AddressInfo).port}`;
      closed.close();
      await once(closed, "close");
      upstream.allow([refused, "http://nobody.invalid"]);
      for (const [origin, ending] of [[refused, "network/refused unsent"], ["http://nobody.invalid", "network/dns unsent"], ["http://127.0.0.1:9", "network/refused unsent"]] as const) {
        const told = send({ origin });
        await told.over;
        assert.equal(told.ending, ending);
        assert.deepEqual(told.events, ["failure"]);
      }
      assert.ok(!upstream.dialled().includes("http://127.0.0.1:9"));
    });

    it("ends calls in flight when it closes", async () => {
      provider.answer(() => undefined);
      const told = send();
      await told.until("sent");
      await upstream.close();
      await told.over;
      assert.equal(told.failure?.class, "network");
    });

    describe("over TLS", () => {
      let server: Server;
      let origin: string;
      let protocols: (string | false | null)[] = [];
      let reused: boolean[] = [];
      before(async () => {
        server = createTlsServer({ cert: readFileSync(new URL("test-cert.pem", TLS_FOLDER)), key: readFileSync(new URL("test-key.pem", TLS_FOLDER)), ALPNProtocols: ["h2", "http/1.1"] }, (socket) => {
          protocols.push(socket.alpnProtocol);
          reused.push(socket.isSessionReused());
          socket.on("error", () => socket.destroy());
          socket.on("data", () => socket.write(`${OK}connection: close\r\ncontent-length: 200000\r\n\r\n${repeated("x", 200_000)}`));
        });
        server.on("tlsClientError", () => undefined);
        await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
        origin = `https://localhost:${(server.address() as AddressInfo).port}`;
      });
      after(() => server.close());
      beforeEach(() => {
        protocols = [];
        reused = [];
        upstream.allow([origin, origin.replace("localhost", "127.0.0.1")]);
      });

      it("trusts the file it was given, speaks HTTP/1.1 alone, and takes a session up again", async () => {
        for (const one of [origin, origin, origin.replace("localhost", "127.0.0.1")]) {
          const told = send({ origin: one, caFile: CA_FILE });
          await told.over;
          assert.equal(told.ending, "end 200", told.failure?.message);
          assert.equal(told.body.length, 200_000);
        }
        assert.deepEqual(protocols, ["http/1.1", "http/1.1", "http/1.1"]);
        assert.equal(reused[1], true);
      });

      it("trusts nobody else", async () => {
        const told = send({ origin });
        await told.over;
        assert.equal(told.ending, "network/tls unsent");
      });

      it("gives up a connection that is not made in time", async () => {
        const silent = createServer((socket) => socket.on("error", () => socket.destroy()));
        await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
        const deaf = `https://127.0.0.1:${(silent.address() as AddressInfo).port}`;
        upstream.allow([deaf]);
        const told = send({ origin: deaf, connectTimeoutMs: 100 });
        await told.over;
        assert.equal(told.ending, "network/connect_timeout unsent");
        silent.close();
      });
    });
  });
}

/** One after the other, each in a packet of its own as far as the kernel lets it; then the end. */
async function writePieces(socket: Socket, pieces: readonly Buffer[]): Promise<void> {
  for (const piece of pieces) {
    if (socket.destroyed) return;
    socket.write(piece);
    await turn();
  }
  socket.end();
}
