/** Upstreams that speak chat completions and note who calls them, by the credential they were shown. */
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";

export interface UpstreamSeen {
  readonly headers: IncomingHttpHeaders;
  readonly path: string;
  /** The bearer. */
  readonly secret: string;
  readonly model: string;
  readonly body: Readonly<Record<string, unknown>>;
}

export interface NotingUpstream {
  /** With the version segment. */
  readonly url: string;
  readonly seen: UpstreamSeen[];
  /** What to answer; null: an ordinary answer. */
  fault: ((call: UpstreamSeen) => number | null) | null;
  close(): Promise<void>;
}

/** Start one on a free port. */
export async function notingUpstream(): Promise<NotingUpstream> {
  const seen: UpstreamSeen[] = [];
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const text = Buffer.concat(chunks).toString();
      const body = (text === "" ? {} : JSON.parse(text)) as Record<string, unknown>;
      const model = typeof body["model"] === "string" ? body["model"] : "";
      const call = { headers: request.headers, path: request.url ?? "", secret: (request.headers.authorization ?? "").replace(/^Bearer /, ""), model, body };
      seen.push(call);
      const status = upstream.fault?.(call) ?? null;
      response.setHeader("content-type", body["stream"] === true && status === null ? "text/event-stream" : "application/json");
      response.statusCode = status ?? 200;
      if (status !== null) response.end(JSON.stringify({ error: { message: `refused with ${call.secret}`, type: "server_error" } }));
      else if (body["stream"] === true) response.end(streamed(model));
      else response.end(JSON.stringify(whole(model)));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const upstream: NotingUpstream = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    seen,
    fault: null,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return upstream;
}

const USAGE = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };

function whole(model: string): unknown {
  return { id: "c1", object: "chat.completion", created: 1, model, choices: [{ index: 0, message: { role: "assistant", content: "hello" }, finish_reason: "stop" }], usage: USAGE };
}

function streamed(model: string): string {
  const chunk = (more: object): string => `data: ${JSON.stringify({ id: "c1", object: "chat.completion.chunk", created: 1, model, ...more })}\n\n`;
  return [
    chunk({ choices: [{ index: 0, delta: { role: "assistant", content: "hello" }, finish_reason: null }] }),
    chunk({ choices: [{ index: 0, delta: {}, finish_reason: "stop" }] }),
    chunk({ choices: [], usage: USAGE }),
    "data: [DONE]\n\n",
  ].join("");
}
