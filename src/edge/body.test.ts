/** Request bodies from real sockets: bounded, whole, decoded, and told once. */
import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";
import { after, before, beforeEach, describe, it } from "node:test";
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import { BODY_LIMIT_BYTES, readRequestBody } from "./body.ts";

interface Read {
  readonly code: string | null;
  readonly body: Buffer;
}

let server: Server;
let port = 0;
/** Bytes that are still granted. */
let room = Number.MAX_SAFE_INTEGER;
let reads: Read[] = [];
let onRead: (read: Read) => void = () => undefined;
let arrived: (request: IncomingMessage) => void = () => undefined;

before(async () => {
  server = createServer((request, response) => {
    arrived(request);
    readRequestBody(request, (bytes) => (room -= bytes) >= 0, (error, body) => {
      const read = { code: error?.code ?? null, body };
      reads.push(read);
      onRead(read);
      response.writeHead(error === null ? 200 : 400, ["connection", "close"]).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  port = (server.address() as AddressInfo).port;
});
after(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  reads = [];
  room = Number.MAX_SAFE_INTEGER;
});

/** Send a head and the pieces of a body; resolves with what was read. The socket stays open until then. */
async function sent(headers: readonly string[], pieces: readonly (string | Uint8Array)[]): Promise<Read> {
  const { promise, resolve } = Promise.withResolvers<Read>();
  onRead = resolve;
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => socket.destroy());
  socket.write(["POST / HTTP/1.1", "host: x", ...headers, "", ""].join("\r\n"));
  for (const piece of pieces) await written(socket, piece);
  const read = await promise;
  socket.destroy();
  return read;
}

function written(socket: Socket, piece: string | Uint8Array): Promise<void> {
  return new Promise((resolve) => socket.write(piece, () => resolve()));
}

const length = (bytes: Uint8Array): string => `content-length: ${bytes.length}`;
const TEXT = Buffer.from(`{"a":"${"x".repeat(200_000)}é"}`);

describe("a body is read whole", () => {
  it("in one piece", async () => assert.deepEqual(await sent(["content-length: 2"], ["{}"]), { code: null, body: Buffer.from("{}") }));
  it("in many pieces", async () => {
    const pieces = Array.from({ length: 20 }, (_, i) => TEXT.subarray((i * TEXT.length) / 20, ((i + 1) * TEXT.length) / 20));
    assert.ok((await sent([length(TEXT)], pieces)).body.equals(TEXT));
  });
  it("in chunks without a length", async () => assert.equal((await sent(["transfer-encoding: chunked"], ["2\r\n{}\r\n", "1\r\n \r\n0\r\n\r\n"])).body.toString(), "{} "));
  it("where it is empty", async () => assert.equal((await sent(["content-length: 0"], [])).body.length, 0));
  it("where it is as large as may be", async () => {
    const most = Buffer.alloc(BODY_LIMIT_BYTES, 32);
    const read = await sent([length(most)], [most]);
    assert.equal(read.code, null);
    assert.equal(read.body.length, BODY_LIMIT_BYTES);
  });

  for (const [encoding, compress] of [["gzip", gzipSync], ["x-gzip", gzipSync], ["GZIP", gzipSync], ["deflate", deflateSync], ["br", brotliCompressSync], ["identity", (bytes: Buffer) => bytes]] as const) {
    it(`through ${encoding}`, async () => {
      const bytes = compress(TEXT);
      const read = await sent([length(bytes), `content-encoding: ${encoding}`], [bytes]);
      assert.equal(read.code, null);
      assert.ok(read.body.equals(TEXT));
    });
  }
});

describe("a body is refused", () => {
  it("by the length that it declares, before it is read", async () => {
    assert.equal((await sent([`content-length: ${BODY_LIMIT_BYTES + 1}`], ["{"])).code, "body_too_large");
  });

  it("where it grows beyond the bound without a declared length", async () => {
    const piece = Buffer.alloc(1 << 20, 32);
    const chunk = Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from("\r\n")]);
    const read = await sent(["transfer-encoding: chunked"], [...Array.from({ length: 32 }, () => chunk), Buffer.from("1\r\n \r\n")]);
    assert.equal(read.code, "body_too_large");
    assert.equal(read.body.length, 0);
  });

  for (const [encoding, compress] of [["gzip", gzipSync], ["br", brotliCompressSync], ["deflate", deflateSync]] as const) {
    it(`where ${encoding} expands beyond the bound: a bomb of a few kilobytes`, async () => {
      const bomb = compress(Buffer.alloc(BODY_LIMIT_BYTES + 1));
      assert.ok(bomb.length < 64 << 10);
      assert.equal((await sent([length(bomb), `content-encoding: ${encoding}`], [bomb])).code, "body_too_large");
    });

    it(`where it is no ${encoding}`, async () => {
      const noise = Buffer.alloc(64, 0xa7);
      assert.equal((await sent([length(noise), `content-encoding: ${encoding}`], [noise])).code, "unsupported_encoding");
    });

    it(`where ${encoding} is cut short`, async () => {
      const cut = compress(TEXT).subarray(0, -12);
      assert.equal((await sent([length(cut), `content-encoding: ${encoding}`], [cut])).code, "unsupported_encoding");
    });
  }

  for (const [encoding, bytes] of [["identity", TEXT], ["gzip", gzipSync(TEXT)]] as const) {
    it(`where the memory for all bodies is full, as it is unpacked (${encoding})`, async () => {
      room = TEXT.length - 1;
      assert.equal((await sent([length(bytes), `content-encoding: ${encoding}`], [bytes])).code, "too_many_requests_in_flight");
      room = TEXT.length;
      assert.equal((await sent([length(bytes), `content-encoding: ${encoding}`], [bytes])).code, null);
    });
  }

  for (const encoding of ["zstd", "gzip, gzip", "compress", "chunked"]) {
    it(`in the encoding ${encoding}`, async () => assert.equal((await sent(["content-length: 2", `content-encoding: ${encoding}`], ["{}"])).code, "unsupported_encoding"));
  }
});

describe("a client that leaves amid its body", () => {
  for (const encoding of ["identity", "gzip"]) {
    it(`is told nothing, and nobody is told of its body (${encoding})`, async () => {
      const { promise, resolve } = Promise.withResolvers<IncomingMessage>();
      arrived = resolve;
      const bytes = encoding === "gzip" ? gzipSync(TEXT) : TEXT;
      const socket = connect(port, "127.0.0.1");
      await written(socket, `POST / HTTP/1.1\r\nhost: x\r\ncontent-encoding: ${encoding}\r\n${length(bytes)}\r\n\r\n`);
      await written(socket, bytes.subarray(0, 20));
      const request = await promise;
      const closed = new Promise<void>((done) => request.once("close", () => done()));
      socket.destroy();
      await closed;
      await new Promise((done) => setImmediate(done));
      assert.deepEqual(reads, []);
    });
  }
});

it("each body is told of once, refused or read", async () => {
  await sent(["content-length: 2"], ["{}"]);
  const bomb = gzipSync(Buffer.alloc(BODY_LIMIT_BYTES * 2));
  await sent([length(bomb), "content-encoding: gzip"], [bomb]);
  await new Promise((done) => setImmediate(done));
  assert.equal(reads.length, 2);
});
