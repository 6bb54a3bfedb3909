/** The answer on a real socket: slow readers are told of once, leavers once, and what is ended stays ended. */
import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";
import { after, before, describe, it } from "node:test";
import { NodeReply } from "./reply.ts";

let server: Server;
let port = 0;
let onReply: (reply: NodeReply) => void = () => undefined;

before(async () => {
  server = createServer((_request, response) => onReply(new NodeReply(response)));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  port = (server.address() as AddressInfo).port;
});
after(() => {
  server.closeAllConnections();
  server.close();
});

/** A client that has asked, and the reply that it is to get. It reads only when told to. */
async function asked(): Promise<{ readonly socket: Socket; readonly reply: NodeReply }> {
  const made = new Promise<NodeReply>((resolve) => (onReply = resolve));
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => socket.destroy());
  socket.pause();
  socket.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
  return { socket, reply: await made };
}

const STREAM = ["content-type", "text/event-stream; charset=utf-8"];
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("a reply", () => {
  it("sends the head of a stream at once, before any content", async () => {
    const { socket, reply } = await asked();
    reply.head(200, STREAM);
    const text = await new Promise<string>((resolve) => socket.once("data", (chunk) => resolve(chunk.toString())).resume());
    assert.match(text, /^HTTP\/1\.1 200 OK\r\n/);
    assert.equal(reply.status, 200);
    socket.destroy();
  });

  it("asks a fast writer to wait, tells when the client reads again, and piles up no listeners", async () => {
    const { socket, reply } = await asked();
    const warnings: string[] = [];
    const warn = (warning: Error): void => void warnings.push(warning.name);
    process.on("warning", warn);
    let drained = 0;
    const again = new Promise<void>((resolve) => reply.onDrain(() => (drained++, resolve())));
    reply.head(200, STREAM);
    const piece = Buffer.alloc(64 << 10, 97);
    let written = 0;
    while (reply.write(piece) && written < 1_000) written++;
    assert.ok(written < 1_000, "nobody asked the writer to wait");
    // What was in flight still comes.
    for (let i = 0; i < 20; i++) assert.equal(reply.write(Buffer.from("x")), false);
    socket.resume();
    await again;
    await turn();
    assert.equal(drained, 1);
    assert.deepEqual(warnings, []);
    process.off("warning", warn);
    socket.destroy();
  });

  it("gives up on a reader that takes nothing while more than its bound waits", async () => {
    const { socket, reply } = await asked();
    const gone = new Promise<void>((resolve) => reply.onGone(resolve));
    reply.head(200, STREAM);
    const piece = Buffer.alloc(1 << 20, 97);
    for (let i = 0; i < 40; i++) reply.write(piece);
    await gone;
    socket.destroy();
  });

  it("tells once of a client that left, also to who asks later, and swallows what comes after", async () => {
    const { socket, reply } = await asked();
    let told = 0;
    const gone = new Promise<void>((resolve) => reply.onGone(() => (told++, resolve())));
    reply.head(200, STREAM);
    socket.destroy();
    await gone;
    await turn();
    assert.equal(told, 1);
    assert.equal(reply.write(Buffer.from("x")), true);
    reply.end(Buffer.from("x"));
    await new Promise<void>((resolve) => reply.onGone(resolve));
  });

  it("does not take the end of its own answer for a client that left", async () => {
    const { socket, reply } = await asked();
    let told = 0;
    reply.onGone(() => told++);
    reply.head(200, ["content-type", "application/json", "content-length", "2"]);
    reply.end(Buffer.from("{}"));
    reply.end(Buffer.from("again"));
    socket.resume();
    const closed = new Promise((resolve) => socket.once("close", resolve));
    socket.end();
    await closed;
    await turn();
    assert.equal(told, 0);
  });

  it("can be broken off, so that no one takes the part for the whole", async () => {
    const { socket, reply } = await asked();
    reply.head(200, STREAM);
    reply.write(Buffer.from("data: x\n\n"));
    let text = "";
    socket.on("data", (chunk: Buffer) => (text += chunk.toString()));
    socket.resume();
    const closed = new Promise((resolve) => socket.once("close", resolve));
    reply.destroy();
    await closed;
    assert.doesNotMatch(text, /0\r\n\r\n$/);
  });
});
