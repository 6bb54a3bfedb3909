/** The clients that open outbound sockets, against servers on real sockets: one suite for all. */
import assert from "node:assert/strict";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import { json, raw, recordingUpstream, type Answering, type RecordingUpstream } from "../../test/support/recording-upstream.ts";
import type { UpstreamCall, UpstreamFailure, UpstreamRequest } from "../ports.ts";
import { OwnUpstream } from "./upstream-own.ts";
import { UndiciUpstream, type OutboundUpstream, type UpstreamOptions } from "./upstream.ts";

let provider: RecordingUpstream;
let upstream: OutboundUpstream;
let open: (env: UpstreamOptions["env"]) => OutboundUpstream;

before(async () => {
  provider = await recordingUpstream();
});
after(() => provider.close());

/** What a handler was told, in order, and how it ended. */
class Told {
  readonly events: string[] = [];
  readonly pieces: Buffer[] = [];
  status = 0;
  failure: UpstreamFailure | null = null;
  call: UpstreamCall | null = null;
  header: (name: string) => string | undefined = () => undefined;
  readonly ended: Promise<void>;
  #end: () => void = () => undefined;
  #onEvent: ((event: string) => void) | null = null;

  constructor() {
    this.ended = new Promise((resolve) => (this.#end = resolve));
  }

  /** Resolves when this has been told. */
  until(event: string): Promise<void> {
    if (this.events.includes(event)) return Promise.resolve();
    return new Promise((resolve) => (this.#onEvent = (one) => one === event && resolve()));
  }

  tell(event: string): void {
    this.events.push(event);
    this.#onEvent?.(event);
    if (event === "end" || event === "failure") this.#end();
  }

  get body(): Buffer {
    return Buffer.concat(this.pieces);
  }
}

function send(more: Partial<UpstreamRequest> = {}, by: OutboundUpstream = upstream): Told {
  const told = new Told();
  told.call = by.send(
    { origin: provider.origin, path: "/v1/chat", method: "POST", headers: ["content-type", "application/json"], body: Buffer.from("{}"), connectTimeoutMs: 2_000, proxyUrl: null, caFile: null, ...more },
    {
      onSent: () => told.tell("sent"),
      onHeaders: (status, header) => {
        told.status = status;
        told.header = header;
        told.tell("headers");
      },
      onData: (chunk) => {
        told.pieces.push(Buffer.from(chunk));
        told.tell("data");
      },
      onEnd: () => told.tell("end"),
      onFailure: (failure) => {
        told.failure = failure;
        told.tell("failure");
      },
    },
  );
  return told;
}

/** Everything that is ready to run has run. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const HEAD = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n";

const CLIENTS: readonly (readonly [name: string, open: typeof open])[] = [
  ["our own client", (env) => new OwnUpstream({ env })],
  ["undici", (env) => new UndiciUpstream({ env })],
];

for (const [client, opens] of CLIENTS) {
  describe(client, () => {
    before(() => {
      open = opens;
    });
    beforeEach(() => {
      upstream = open({});
      upstream.allow([provider.origin]);
    });
    afterEach(() => upstream.close());

    describe("a call", () => {
      it("sends method, path, headers and body as given, and tells what comes, in order", async () => {
        provider.answer(json({ a: 1 }, 201, { "X-Two": "1" }));
        const told = send({ headers: ["x-a", "1", "X-B", "2"], body: [Buffer.from("{\"a\":"), Buffer.from("1}")] });
        await told.ended;
        assert.deepEqual(told.events, ["sent", "headers", "data", "end"]);
        assert.equal(told.status, 201);
        assert.equal(told.header("x-two"), "1");
        assert.equal(told.header("x-three"), undefined);
        assert.equal(told.body.toString(), `{"a":1}`);
        const seen = provider.calls.at(-1);
        assert.deepEqual([seen?.method, seen?.target, seen?.body.toString(), seen?.header("x-a"), seen?.header("x-b")], ["POST", "/v1/chat", `{"a":1}`, "1", "2"]);
        assert.equal(seen?.header("user-agent"), undefined);
      });

      it("uses a socket again after a whole answer", async () => {
        provider.answer(json({}));
        const before = provider.connections();
        for (let i = 0; i < 3; i++) {
          await send().ended;
          // A freed socket may be watched for a moment before it is trusted again.
          for (let turns = 0; turns < 4; turns++) await turn();
        }
        assert.equal(provider.connections(), before + 1);
      });

      it("does not take a 1xx for the answer", async () => {
        provider.answer(raw(`HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n${HEAD}content-length: 2\r\n\r\nok`));
        const told = send();
        await told.ended;
        assert.equal(told.status, 200);
        assert.deepEqual(told.events.filter((event) => event === "headers").length, 1);
      });

      it("follows no redirect", async () => {
        const { length } = provider.calls;
        provider.answer(raw(`HTTP/1.1 307 Elsewhere\r\nlocation: ${provider.origin}/other\r\ncontent-length: 0\r\n\r\n`));
        const told = send();
        await told.ended;
        assert.equal(told.status, 307);
        assert.equal(provider.calls.length, length + 1);
      });

      it("joins values of a header that comes twice", async () => {
        provider.answer(raw(`${HEAD}x-a: 1\r\nx-a: 2\r\ncontent-length: 0\r\n\r\n`));
        const told = send();
        await told.ended;
        assert.equal(told.header("x-a"), "1, 2");
      });
    });

    describe("an address", () => {
      it("that is none of the configuration's is refused before a socket exists, in a later turn", async () => {
        const told = send({ origin: "http://127.0.0.1:1" });
        assert.deepEqual(told.events, []);
        await told.ended;
        assert.deepEqual(told.events, ["failure"]);
        assert.deepEqual([told.failure?.class, told.failure?.reason, told.failure?.sent], ["network", "refused", false]);
        assert.deepEqual(upstream.dialled(), []);
      });

      it("of the configuration before stays reachable for those who began with it, one reload long", async () => {
        provider.answer(json({}));
        upstream.allow(["http://127.0.0.1:1"]);
        const before = send();
        await before.ended;
        assert.equal(before.status, 200);
        upstream.allow(["http://127.0.0.1:1"]);
        const later = send();
        await later.ended;
        assert.equal(later.failure?.reason, "refused");
      });
    });

    describe("a failure tells what it was, and whether bytes may have left:", () => {
      const closedPort = async (): Promise<number> => {
        const server = createServer();
        await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
        const { port } = server.address() as AddressInfo;
        await new Promise((resolve) => server.close(resolve));
        return port;
      };
      const failed = async (more: Partial<UpstreamRequest>): Promise<Told> => {
        upstream.allow([provider.origin, ...(more.origin === undefined ? [] : [more.origin])]);
        const told = send(more);
        await told.ended;
        assert.equal(told.events.at(-1), "failure");
        return told;
      };

      it("a refused connection did not send", async () => {
        const told = await failed({ origin: `http://127.0.0.1:${await closedPort()}` });
        assert.deepEqual([told.failure?.class, told.failure?.reason, told.failure?.sent], ["network", "refused", false]);
        assert.deepEqual(told.events, ["failure"]);
      });

      it("a name that nobody knows did not send", async () => {
        const told = await failed({ origin: "http://nobody.invalid" });
        assert.deepEqual([told.failure?.class, told.failure?.reason, told.failure?.sent], ["network", "dns", false]);
      });

      it("a server that speaks no TLS did not send", async () => {
        const server = createServer((socket) => socket.on("error", () => socket.destroy()).end("no TLS here"));
        await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
        const told = await failed({ origin: `https://127.0.0.1:${(server.address() as AddressInfo).port}` });
        assert.deepEqual([told.failure?.class, told.failure?.reason, told.failure?.sent], ["network", "tls", false]);
        server.close();
      });

      it("a server that takes the connection and says nothing in TLS is given up after the connect clock, and did not send", async () => {
        const server = createServer((socket) => socket.on("error", () => socket.destroy()));
        await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
        const told = await failed({ origin: `https://127.0.0.1:${(server.address() as AddressInfo).port}`, connectTimeoutMs: 100 });
        assert.deepEqual([told.failure?.class, told.failure?.reason, told.failure?.sent], ["network", "connect_timeout", false]);
        server.close();
      });

      const ROWS: readonly (readonly [what: string, answering: Answering, failureClass: string, reasons: readonly string[]])[] = [
        ["a close before the head", (_call, socket) => socket.end(), "network", ["closed", "reset"]],
        ["a reset before the head", (_call, socket) => socket.resetAndDestroy(), "network", ["reset", "closed"]],
        ["a head cut short", raw("HTTP/1.1 200 OK\r\ncontent-ty"), "network", ["closed"]],
        ["a body shorter than its length", raw(`${HEAD}content-length: 10\r\n\r\nabc`), "network", ["closed"]],
        ["a chunked body without its end", raw(`${HEAD}transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n`), "network", ["closed"]],
        ["no HTTP at all", raw("SSH-2.0-OpenSSH\r\n\r\n"), "malformed", ["protocol"]],
        ["a chunk size that is none", raw(`${HEAD}transfer-encoding: chunked\r\n\r\nzz\r\n`), "malformed", ["protocol"]],
        ["a head beyond all bounds", raw(`HTTP/1.1 200 OK\r\nx-a: ${"a".repeat(64 << 10)}\r\n\r\n`), "too_large", ["protocol"]],
        ["an encoding that was not asked for", raw(`${HEAD}content-encoding: zstd\r\ncontent-length: 1\r\n\r\na`), "malformed", ["decompression"]],
        ["gzip that is none", raw(`${HEAD}content-encoding: gzip\r\ncontent-length: 4\r\n\r\nabcd`), "malformed", ["decompression"]],
      ];
      for (const [what, answering, failureClass, reasons] of ROWS) {
        it(`${what} may have sent`, async () => {
          provider.answer(answering);
          const { failure } = await failed({});
          assert.equal(failure?.class, failureClass);
          assert.ok(reasons.includes(failure?.reason ?? ""), failure?.reason);
          assert.equal(failure?.sent, true);
        });
      }

      it("a close after part of the body gives that part first", async () => {
        provider.answer(raw(`${HEAD}content-length: 10\r\n\r\nabc`));
        const told = await failed({});
        assert.equal(told.body.toString(), "abc");
        assert.deepEqual(told.events, ["sent", "headers", "data", "failure"]);
      });
    });

    describe("an encoded answer", () => {
      const TEXT = Buffer.from("data: x\n\n".repeat(500));
      for (const [encoding, compress] of [["gzip", gzipSync], ["br", brotliCompressSync], ["deflate", deflateSync]] as const) {
        it(`arrives decoded: ${encoding}`, async () => {
          const bytes = compress(TEXT);
          provider.answer(raw(Buffer.concat([Buffer.from(`${HEAD}content-encoding: ${encoding}\r\ncontent-length: ${bytes.length}\r\n\r\n`), bytes])));
          const told = send();
          await told.ended;
          assert.ok(told.body.equals(TEXT));
          assert.equal(told.events.at(-1), "end");
        });

        it(`that expands without measure is cut off: ${encoding}`, async () => {
          const bytes = compress(Buffer.alloc(24 << 20));
          provider.answer(raw(Buffer.concat([Buffer.from(`${HEAD}content-encoding: ${encoding}\r\ncontent-length: ${bytes.length}\r\n\r\n`), bytes])));
          const told = send();
          await told.ended;
          assert.equal(told.failure?.class, "too_large");
          assert.ok(told.body.length < 20 << 20, `${told.body.length} bytes came through`);
        });
      }

      it("that is cut short has failed", async () => {
        const bytes = gzipSync(TEXT);
        provider.answer(raw(Buffer.concat([Buffer.from(`${HEAD}content-encoding: gzip\r\ncontent-length: ${bytes.length - 8}\r\n\r\n`), bytes.subarray(0, -8)])));
        const told = send();
        await told.ended;
        assert.equal(told.failure?.class, "malformed");
      });
    });

    describe("an abort", () => {
      let waiting: Server;
      let socket: Promise<Socket>;
      before(async () => {
        waiting = createServer();
        await new Promise<void>((resolve) => waiting.listen(0, "127.0.0.1", resolve));
      });
      after(() => waiting.close());
      beforeEach(() => {
        socket = new Promise((resolve) => waiting.once("connection", resolve));
        upstream.allow([`http://127.0.0.1:${(waiting.address() as AddressInfo).port}`]);
      });
      const origin = (): string => `http://127.0.0.1:${(waiting.address() as AddressInfo).port}`;

      it("closes the socket, and nothing is told after it", async () => {
        const told = send({ origin: origin() });
        const at = await socket;
        const closed = new Promise<void>((resolve) => at.once("close", () => resolve()));
        at.on("error", () => at.destroy());
        at.resume();
        at.write(`${HEAD}content-length: 100\r\n\r\nabc`);
        await told.until("data");
        const { length } = told.events;
        told.call?.abort();
        told.call?.abort();
        await closed;
        await turn();
        assert.equal(told.events.length, length);
      });

      it("before the connection stands sends nothing, whether or not it is still made", async () => {
        const seen: Buffer[] = [];
        const watch = (at: Socket): void => void at.on("data", (chunk) => seen.push(chunk)).on("error", () => at.destroy());
        waiting.on("connection", watch);
        const told = send({ origin: origin() });
        told.call?.abort();
        // By the time that a connection made later is accepted, one made before has been.
        await turn();
        const later = connect((waiting.address() as AddressInfo).port, "127.0.0.1");
        await new Promise<void>((resolve) => later.once("connect", () => resolve()));
        await upstream.close();
        await turn();
        waiting.off("connection", watch);
        later.destroy();
        assert.deepEqual(told.events, []);
        assert.equal(Buffer.concat(seen).length, 0);
      });

      it("pause holds the bytes back, resume lets them come", async () => {
        const told = send({ origin: origin() });
        const at = await socket;
        at.on("error", () => at.destroy());
        at.resume();
        const piece = Buffer.alloc(64 << 10, 97);
        at.write(`${HEAD}content-length: ${piece.length * 400}\r\n\r\na`);
        await told.until("data");
        told.call?.pause();
        let written = 1;
        let stalled = false;
        // Write until the kernel takes no more: then nobody reads at the other end.
        for (let i = 0; i < 399 && !stalled; i++) {
          written += piece.length;
          if (!at.write(piece)) stalled = await Promise.race([new Promise<boolean>((resolve) => at.once("drain", () => resolve(false))), new Promise<boolean>((resolve) => setTimeout(() => resolve(true), 150))]);
        }
        assert.ok(stalled, "the upstream read on while it was paused");
        assert.ok(told.body.length < 8 << 20, `${told.body.length} bytes came during the pause`);
        told.call?.resume();
        at.write(Buffer.alloc(piece.length * 400 - written, 97));
        await told.ended;
        assert.equal(told.body.length, piece.length * 400);
        at.destroy();
      });
    });

    describe("a proxy", () => {
      it("of the account carries the call", async () => {
        const proxy = await recordingUpstream(json({ by: "proxy" }));
        const told = send({ proxyUrl: proxy.origin });
        await Promise.race([told.ended, new Promise((resolve) => setTimeout(resolve, 2_000))]);
        assert.ok(proxy.calls.length > 0 && provider.origin.includes(proxy.calls[0]?.target.replace(/^https?:\/\//, "").split("/")[0] ?? "?"), proxy.calls[0]?.target);
        await proxy.close();
      });

      it("of the environment is taken for outside hosts, not for the loopback, not for exceptions", async () => {
        const proxy = await recordingUpstream(raw("HTTP/1.1 502 No\r\ncontent-length: 0\r\n\r\n"));
        const behind = open({ HTTP_PROXY: proxy.origin, NO_PROXY: "inside.invalid, .corp.invalid" });
        const origins = ["http://outside.invalid", "http://inside.invalid", "http://x.corp.invalid", provider.origin];
        behind.allow(origins);
        provider.answer(json({}));
        for (const origin of origins) await send({ origin }, behind).ended;
        assert.deepEqual([...new Set(proxy.calls.map((call) => call.target.replace(/^http:\/\//, "").split(/[:/]/)[0]))], ["outside.invalid"]);
        await behind.close();
        await proxy.close();
      });
    });

    it("closing ends what is in flight, as a failure", async () => {
      provider.answer(() => undefined);
      const told = send();
      await told.until("sent");
      await upstream.close();
      await told.ended;
      assert.equal(told.events.at(-1), "failure");
    });
  });
}
