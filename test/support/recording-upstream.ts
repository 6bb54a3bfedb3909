/**
 * An upstream on a bare TCP socket: it keeps every byte that it was sent and answers with whatever bytes a test wants,
 * valid HTTP or not. One request is what its own head says: a content length, a chunked body, or nothing.
 */
import { createServer, type AddressInfo, type Socket } from "node:net";

export interface RecordedCall {
  readonly method: string;
  readonly target: string;
  /** As sent, in order, names as written. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer;
  /** All values of a header, by its name in lower case. */
  header(name: string): string | undefined;
}

export type Answering = (call: RecordedCall, socket: Socket) => void;

export interface RecordingUpstream {
  /** `http://127.0.0.1:port`. */
  readonly origin: string;
  readonly port: number;
  readonly calls: RecordedCall[];
  /** Connections accepted so far. */
  connections(): number;
  /** Of them still open. */
  open(): number;
  /** How later calls are answered. */
  answer(answering: Answering): void;
  close(): Promise<void>;
}

/** Start to listen on a free port of the loopback. */
export async function recordingUpstream(answering: Answering = json({ error: { message: "nothing scripted" } }, 500)): Promise<RecordingUpstream> {
  let current = answering;
  let count = 0;
  const calls: RecordedCall[] = [];
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    count++;
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    let pieces: Buffer[] = [];
    let length = 0;
    // Large bodies come in many reads: joined only when they are whole.
    let needed = 0;
    socket.on("data", (chunk) => {
      pieces.push(chunk);
      length += chunk.length;
      while (length >= needed && length > 0) {
        const held = pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces, length);
        pieces = [held];
        const taken = takeRequest(held);
        if ("needs" in taken) {
          needed = taken.needs;
          return;
        }
        pieces = [taken.rest];
        length = taken.rest.length;
        needed = 0;
        calls.push(taken.call);
        current(taken.call, socket);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    port,
    calls,
    connections: () => count,
    open: () => sockets.size,
    answer: (next) => (current = next),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

/** A whole request, or how many bytes there must be before it is worth looking again. */
function takeRequest(bytes: Buffer): { readonly call: RecordedCall; readonly rest: Buffer } | { readonly needs: number } {
  const end = bytes.indexOf("\r\n\r\n");
  if (end < 0) return { needs: bytes.length + 1 };
  const [start = "", ...lines] = bytes.subarray(0, end).toString("latin1").split("\r\n");
  const [method = "", target = ""] = start.split(" ");
  const headers = lines.map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trim()] as const);
  const header = (name: string): string | undefined => {
    const values = headers.filter(([one]) => one.toLowerCase() === name).map(([, value]) => value);
    return values.length === 0 ? undefined : values.join(", ");
  };
  const chunked = header("transfer-encoding") !== undefined;
  const length = chunked ? bytes.indexOf("0\r\n\r\n", end + 4) + 5 - (end + 4) : Number(header("content-length") ?? 0);
  if (chunked && length < 5) return { needs: bytes.length + 1 };
  if (bytes.length < end + 4 + length) return { needs: end + 4 + length };
  const body = Buffer.from(bytes.subarray(end + 4, end + 4 + length));
  return { call: { method, target, headers, body, header }, rest: Buffer.from(bytes.subarray(end + 4 + length)) };
}

/** A whole JSON answer. A string goes out as it is. */
export function json(body: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): Answering {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const more = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join("");
  return (_call, socket) => socket.write(`HTTP/1.1 ${status} Told\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\n${more}\r\n${text}`);
}

/** An event stream that is sent at once and ends cleanly. */
export function sse(text: string | Uint8Array, headers: Readonly<Record<string, string>> = {}): Answering {
  const bytes = Buffer.from(text);
  const more = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join("");
  return (_call, socket) => {
    socket.write(`HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: ${bytes.length}\r\n${more}\r\n`);
    socket.write(bytes);
  };
}

/** Bytes as they are. `close` ends the connection after them. */
export function raw(bytes: string | Uint8Array, close = true): Answering {
  return (_call, socket) => {
    socket.write(bytes);
    if (close) socket.end();
  };
}

/** A good small chat answer, streamed or not as asked. */
export const chat: Answering = (call, socket) => {
  const { stream } = JSON.parse(call.body.toString()) as { stream?: boolean };
  (stream === true ? sse(CHAT_STREAM) : json(CHAT_ANSWER))(call, socket);
};

export const CHAT_ANSWER = {
  id: "chatcmpl-up1", object: "chat.completion", created: 1_700_000_000, model: "m-upstream",
  choices: [{ index: 0, message: { role: "assistant", content: "Hello there.", refusal: null }, logprobs: null, finish_reason: "stop" }],
  usage: { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 },
};
const chunk = (rest: string): string => `data: {"id":"chatcmpl-up1","object":"chat.completion.chunk","created":1700000000,"model":"m-upstream",${rest}}\n\n`;
export const CHAT_STREAM =
  chunk(`"choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}],"usage":null`) +
  chunk(`"choices":[{"index":0,"delta":{"content":"Hello"},"logprobs":null,"finish_reason":null}],"usage":null`) +
  chunk(`"choices":[{"index":0,"delta":{"content":" there."},"logprobs":null,"finish_reason":null}],"usage":null`) +
  chunk(`"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}],"usage":null`) +
  chunk(`"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12}`) +
  "data: [DONE]\n\n";
