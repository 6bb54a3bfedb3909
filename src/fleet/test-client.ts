/** A raw client for the fleet's tests: plain fetch, and a bare socket where the bytes themselves matter. */
import { connect } from "node:net";
import type { FleetConfig, FleetProvider } from "./index.ts";

type Dialect = FleetProvider["dialect"];

/** A fleet of one provider `p` with the model `m`: 1 USD in, 2 USD out, answers of five tokens. */
export function oneProvider(dialect: Dialect, more: Partial<FleetConfig["providers"][number]> = {}): FleetConfig {
  const provider = { name: "p", dialect, models: { m: { input: 1, output: 2, cache_read: 0.5 } }, tokens_out: 5, ...more };
  return { seed: 3, providers: [provider] };
}

const PATHS: Readonly<Record<Dialect, (stream: boolean) => string>> = {
  "openai-chat": () => "/v1/chat/completions",
  "anthropic-messages": () => "/v1/messages",
  "cohere-v2": () => "/v2/chat",
  gemini: (stream) => (stream ? "/v1beta/models/m:streamGenerateContent?alt=sse" : "/v1beta/models/m:generateContent"),
};

/** A small question in a dialect: 8 bytes of text, so 2 input tokens. */
export function question(dialect: Dialect, stream: boolean, more: object = {}): { path: string; headers: Record<string, string>; body: string } {
  const path = PATHS[dialect](stream);
  const text = "question";
  if (dialect === "gemini") {
    return { path, headers: { "x-goog-api-key": "k" }, body: JSON.stringify({ contents: [{ role: "user", parts: [{ text }] }], ...more }) };
  }
  const messages = [{ role: "user", content: text }];
  if (dialect === "anthropic-messages") {
    return { path, headers: { "x-api-key": "k" }, body: JSON.stringify({ model: "m", max_tokens: 100, stream, messages, ...more }) };
  }
  const usage = stream ? { stream_options: { include_usage: true } } : {};
  return { path, headers: { authorization: "Bearer k" }, body: JSON.stringify({ model: "m", stream, ...usage, messages, ...more }) };
}

/** Asks with fetch. */
export function ask(provider: FleetProvider, stream: boolean, more: object = {}, headers: Record<string, string> = {}): Promise<Response> {
  const asked = question(provider.dialect, stream, more);
  return fetch(provider.origin + asked.path, { method: "POST", headers: { ...asked.headers, ...headers }, body: asked.body });
}

export interface Bytes {
  readonly text: string;
  /** How the connection ended: its own FIN, a reset or other error (its code), or our patience. */
  readonly end: string;
  /** Pieces as they arrived. */
  readonly pieces: number;
}

/** Asks over a bare socket and reports the bytes and how the connection ended; `patienceMs` without bytes ends it. */
export function askRaw(provider: FleetProvider, stream: boolean, patienceMs = 60): Promise<Bytes> {
  const asked = question(provider.dialect, stream);
  return new Promise((resolve) => {
    let text = "";
    let pieces = 0;
    const socket = connect(provider.port, provider.host);
    const done = (end: string): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ text, end, pieces });
    };
    let timer = setTimeout(done, 1000, "patience");
    socket.on("connect", () => {
      const headers = { host: "fleet", connection: "close", "content-length": String(Buffer.byteLength(asked.body)), ...asked.headers };
      const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join("");
      socket.write(`POST ${asked.path} HTTP/1.1\r\n${lines}\r\n${asked.body}`);
      clearTimeout(timer);
      timer = setTimeout(done, patienceMs * 3, "patience");
    });
    socket.on("data", (chunk) => {
      text += chunk.toString("utf8");
      pieces += 1;
      clearTimeout(timer);
      timer = setTimeout(done, patienceMs, "patience");
    });
    socket.on("end", () => done("fin"));
    socket.on("error", (error: NodeJS.ErrnoException) => done(error.code ?? "error"));
  });
}

/** The `data:` payloads of a stream's text. */
export function dataOf(text: string): string[] {
  return text.split(/\r?\n/).filter((line) => line.startsWith("data: ")).map((line) => line.slice(6));
}
