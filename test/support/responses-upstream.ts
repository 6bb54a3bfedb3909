/**
 * A provider of the Responses API that keeps what it answers: it knows a response by the id that it gave, refuses ids that
 * it never gave, and tells the reasoning behind an answer by its id only.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface ResponsesUpstream {
  /** With its version segment. */
  readonly baseUrl: string;
  /** Bodies as they came, and whether each was answered. */
  readonly bodies: { readonly text: string; readonly answered: boolean }[];
  /** Answer with 503 from now on, or no longer. */
  fail(failing: boolean): void;
  close(): Promise<void>;
}

/** Start it. `name` is in its ids and in its answers. */
export async function responsesUpstream(name: string): Promise<ResponsesUpstream> {
  const bodies: { text: string; answered: boolean }[] = [];
  const known = new Set<string>();
  let failing = false;
  const server = createServer((request, response) => {
    void read(request).then((text) => {
      const body = JSON.parse(text) as Record<string, unknown>;
      const previous = body["previous_response_id"];
      const lost = typeof previous === "string" && !known.has(previous);
      bodies.push({ text, answered: !failing && !lost });
      if (failing) return json(response, 503, { error: { message: "down", type: "server_error", param: null, code: null } });
      if (lost) return json(response, 400, { error: { message: `Previous response with id '${previous}' not found.`, type: "invalid_request_error", param: "previous_response_id", code: "previous_response_not_found" } });
      const id = `resp_${name}${bodies.length}`;
      known.add(id);
      const whole = answer(name, bodies.length, body);
      if (request.url?.endsWith("/compact") === true) json(response, 200, compacted(name, bodies.length));
      else if (body["stream"] === true) stream(response, whole);
      else json(response, 200, whole);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    bodies,
    fail: (now) => (failing = now),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function read(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

type Answered = Record<string, unknown> & { readonly output: readonly Record<string, unknown>[] };

function answer(name: string, number: number, body: Record<string, unknown>): Answered {
  const text = `${name} says ${number}`;
  return {
    id: `resp_${name}${number}`, object: "response", created_at: 1_790_000_000, status: "completed", error: null, incomplete_details: null,
    model: String(body["model"]), previous_response_id: body["previous_response_id"] ?? null, store: body["store"] !== false,
    parallel_tool_calls: true, tool_choice: "auto", tools: [], temperature: 1, top_p: 1, metadata: {}, instructions: null,
    output: [
      { type: "reasoning", id: `rs_${name}${number}`, summary: [] },
      { type: "message", id: `msg_${name}${number}`, status: "completed", role: "assistant", content: [{ type: "output_text", text, annotations: [] }] },
    ],
    usage: { input_tokens: 11, input_tokens_details: { cached_tokens: 0 }, output_tokens: 7, output_tokens_details: { reasoning_tokens: 3 }, total_tokens: 18 },
  };
}

/** A conversation made short: an item that only this provider can read. */
function compacted(name: string, number: number): Record<string, unknown> {
  return {
    id: `cmp_${name}${number}`, object: "response.compaction", created_at: 1_790_000_000,
    output: [{ type: "message", id: `msg_${name}${number}`, role: "user", status: "completed", content: [{ type: "input_text", text: "the last question" }] }, { type: "compaction", id: `cmp_item_${number}`, encrypted_content: "sealed" }],
    usage: { input_tokens: 100, input_tokens_details: { cached_tokens: 40 }, output_tokens: 20, output_tokens_details: { reasoning_tokens: 5 }, total_tokens: 120 },
  };
}

function stream(response: ServerResponse, whole: Answered): void {
  let number = 0;
  const frame = (type: string, members: Record<string, unknown>): string => `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: number++, ...members })}\n\n`;
  const message = whole.output[1] as { readonly id: string; readonly content: readonly { readonly text: string }[] };
  const place = { item_id: message.id, output_index: 1, content_index: 0 };
  response.writeHead(200, { "content-type": "text/event-stream" });
  response.write(frame("response.created", { response: { ...whole, status: "in_progress", output: [], usage: null } }));
  response.write(frame("response.output_item.added", { output_index: 0, item: whole.output[0] }));
  response.write(frame("response.output_item.done", { output_index: 0, item: whole.output[0] }));
  response.write(frame("response.output_item.added", { output_index: 1, item: { ...message, status: "in_progress", content: [] } }));
  response.write(frame("response.content_part.added", { ...place, part: { type: "output_text", text: "", annotations: [] } }));
  response.write(frame("response.output_text.delta", { ...place, delta: message.content[0]?.text ?? "", logprobs: [] }));
  response.write(frame("response.output_item.done", { output_index: 1, item: message }));
  response.end(frame("response.completed", { response: whole }));
}
