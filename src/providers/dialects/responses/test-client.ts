/** For the tests of the client half: answers made from events, their frames, and a server that real clients talk to. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { resolve } from "node:path";
import { gunzipSync } from "node:zlib";
import { Ajv2020 } from "ajv/dist/2020.js";
import type { ChatRequest } from "../../../wire/chat.ts";
import { gatewayError } from "../../../wire/errors.ts";
import type { StreamEvent } from "../../../wire/events.ts";
import type { JsonObject } from "../../../wire/json.ts";
import type { Usage } from "../../../wire/usage.ts";
import type { AskedOutside, ClientHead, ParsedByClient } from "../client.ts";
import { problems } from "../openai/test-schemas.ts";
import { responsesClient } from "./client.ts";

export const OUTSIDE: AskedOutside = { model: undefined, stream: undefined, query: "", header: () => undefined };
export const USAGE: Usage = { units: { input: 7, cache_read: 3, cache_write_5m: 2, output: 5, reasoning: 4 }, raw: null };

export function parsed(raw: JsonObject): Extract<ParsedByClient, { kind: "request" }> {
  const result = responsesClient.parse({ model: "m", ...raw }, OUTSIDE);
  assert.equal(result.kind, "request", JSON.stringify(result));
  return result as Extract<ParsedByClient, { kind: "request" }>;
}

export function headOf(raw: JsonObject, more: Partial<ClientHead> = {}): ClientHead {
  const body = { model: "m", input: "hi", ...raw };
  return { requestId: "req_1", model: "m", createdS: 1_700_000_000, request: parsed(body).request, raw: body, simulated: false, ...more };
}

export interface Frame {
  readonly event: string;
  readonly data: JsonObject & { readonly type: string; readonly sequence_number: number };
}

/** Frames as a strict reader takes them: an event line, one data line, a blank line, and the name twice. */
export function framesOf(text: string): readonly Frame[] {
  const blocks = text.split("\n\n");
  assert.equal(blocks.pop(), "", "the last frame ends with a blank line");
  return blocks.map((block) => {
    const match = /^event: ([a-z_.]+)\ndata: (.+)$/.exec(block);
    assert.ok(match !== null, block);
    const frame = { event: match[1] as string, data: JSON.parse(match[2] as string) as Frame["data"] };
    assert.equal(frame.event, frame.data.type);
    return frame;
  });
}

/** The whole stream of an answer. */
export function streamed(raw: JsonObject, events: readonly StreamEvent[], usage: Usage = USAGE): readonly Frame[] {
  const encoder = responsesClient.openEncoder(headOf(raw));
  let text = "";
  for (const event of events) text += encoder.encode(event) as string;
  return framesOf(text + (encoder.closing(usage, { cost_usd: 0.5 }) as string));
}

/** Events of an answer in short form. */
export const START: StreamEvent = { kind: "start", id: "x", model: "m", createdS: 1 };
export const text = (value: string): StreamEvent => ({ kind: "text", choice: 0, text: value });
export const thought = (value: string): StreamEvent => ({ kind: "reasoning", choice: 0, text: value });
export const signature = (value: string): StreamEvent => ({ kind: "signature", choice: 0, signature: value });
export const redacted = (data: string): StreamEvent => ({ kind: "redacted", choice: 0, data });
export const refusal = (value: string): StreamEvent => ({ kind: "refusal", choice: 0, text: value });
/** The answer breaks here. */
export const broken = (message: string): StreamEvent => ({ kind: "error", error: { class: "truncated", status: 0, message, type: null, code: null, param: null, retryAfterMs: null } });
export const finish = (reason: "stop" | "length" | "tool_calls" | "content_filter"): StreamEvent => ({ kind: "finish", choice: 0, reason, native: reason });
export const started = (index: number, id: string, name: string, thoughtSignature?: string): StreamEvent => ({ kind: "tool-start", choice: 0, index, id, name, thoughtSignature });
export const args = (index: number, json: string): StreamEvent => ({ kind: "tool-arguments", choice: 0, index, json });
export const call = (index: number, id: string, name: string, json: string): readonly StreamEvent[] => [started(index, id, name), args(index, json)];

const openResponses = resolve(process.env["SPILLWAY_SHARED"] ?? resolve(import.meta.dirname, "../../../../../shared"), "data/fixtures/open-responses/openapi.2026-04-24.json.gz");
export const openResponsesAbsent: false | string = existsSync(openResponses) ? false : "shared data is absent";
let ajv: Ajv2020 | undefined;

interface Description {
  readonly components: { readonly schemas: { readonly JsonSchemaResponseFormat: { readonly properties: { schema: object } } } };
}

/** Problems of a value against a schema of the Open Responses description. */
export function openProblems(schema: string, value: unknown): readonly string[] {
  if (ajv === undefined) {
    ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });
    const description = withoutDiscriminators(JSON.parse(gunzipSync(readFileSync(openResponses)).toString("utf8"))) as Description;
    // It lost what a JSON schema may be and allows only null there, which the other description forbids.
    description.components.schemas.JsonSchemaResponseFormat.properties.schema = {};
    ajv.addSchema(description, "open");
  }
  const validate = ajv.getSchema(`open#/components/schemas/${schema}`);
  if (validate === undefined) throw new Error(`no schema ${schema}`);
  if (validate(JSON.parse(JSON.stringify(value))) === true) return [];
  return (validate.errors ?? []).map((error) => `${error.instancePath} ${error.message ?? ""} ${JSON.stringify(error.params)}`);
}

function withoutDiscriminators(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(withoutDiscriminators);
  if (typeof schema !== "object" || schema === null) return schema;
  return Object.fromEntries(Object.entries(schema).filter(([key]) => key !== "discriminator").map(([key, value]) => [key, withoutDiscriminators(value)]));
}

const OPEN_EVENTS: Readonly<Record<string, string>> = {
  "response.created": "ResponseCreated", "response.in_progress": "ResponseInProgress", "response.completed": "ResponseCompleted",
  "response.incomplete": "ResponseIncomplete", "response.failed": "ResponseFailed", "response.output_item.added": "ResponseOutputItemAdded",
  "response.output_item.done": "ResponseOutputItemDone", "response.content_part.added": "ResponseContentPartAdded",
  "response.content_part.done": "ResponseContentPartDone", "response.output_text.delta": "ResponseOutputTextDelta",
  "response.output_text.done": "ResponseOutputTextDone", "response.refusal.delta": "ResponseRefusalDelta", "response.refusal.done": "ResponseRefusalDone",
  "response.reasoning_summary_part.added": "ResponseReasoningSummaryPartAdded", "response.reasoning_summary_part.done": "ResponseReasoningSummaryPartDone",
  "response.reasoning_summary_text.delta": "ResponseReasoningSummaryDelta", "response.reasoning_summary_text.done": "ResponseReasoningSummaryDone",
  "response.output_text.annotation.added": "ResponseOutputTextAnnotationAdded",
  "response.function_call_arguments.delta": "ResponseFunctionCallArgumentsDelta", "response.function_call_arguments.done": "ResponseFunctionCallArgumentsDone",
};

/** Each frame by both descriptions. */
export function assertValid(frames: readonly Frame[]): void {
  for (const { data } of frames) {
    const shown = JSON.stringify(data).slice(0, 500);
    assert.deepEqual(problems("ResponseStreamEvent", data), [], shown);
    const schema = OPEN_EVENTS[data.type];
    assert.ok(schema !== undefined, data.type);
    assert.deepEqual(openProblems(`${schema}StreamingEvent`, data), [], shown);
  }
}

/** What the server was asked, and how it is to answer. */
export type Script = (request: ChatRequest, turn: number) => readonly StreamEvent[];

export interface ClientServer {
  readonly baseUrl: string;
  readonly bodies: JsonObject[];
  readonly requests: ChatRequest[];
  readonly responses: JsonObject[];
  close(): Promise<void>;
}

/** A server on a real socket that answers as the client dialect does. `prepare` may rewrite a body, as a keeper of responses would. */
export async function serveClients(script: Script, prepare: (raw: JsonObject, server: ClientServer) => JsonObject = (raw) => raw): Promise<ClientServer> {
  const http = createServer((request, response) => {
    void (async () => {
      let body = "";
      for await (const chunk of request) body += String(chunk);
      const given = JSON.parse(body) as JsonObject;
      server.bodies.push(given);
      const raw = prepare(given, server);
      const result = responsesClient.parse(raw, OUTSIDE);
      const refused = result.kind === "request" ? result.onlyHere[0] : undefined;
      if (request.url !== "/v1/responses" || result.kind === "error" || refused !== undefined) {
        response.writeHead(400, { "content-type": "application/json" }).end(JSON.stringify({ error: { message: JSON.stringify(refused ?? result), type: "invalid_request_error", param: null, code: null } }));
        return;
      }
      server.requests.push(result.request);
      const events = script(result.request, server.requests.length);
      const head = headOf(raw, { request: result.request, requestId: `req_${server.requests.length}`, model: result.request.model });
      server.responses.push(responsesClient.encodeAnswer([...events, { kind: "usage", usage: USAGE }], head));
      if (!result.request.stream) {
        response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(server.responses.at(-1)));
        return;
      }
      response.writeHead(200, { "content-type": responsesClient.streamType });
      const encoder = responsesClient.openEncoder(head);
      response.write(responsesClient.keepAlive);
      for (const event of events) {
        if (event.kind === "error") return void response.end(encoder.failed(gatewayError("upstream_truncated", event.error.message), USAGE));
        const frames = encoder.encode(event);
        if (frames.length > 0) response.write(frames);
      }
      response.end(encoder.closing(USAGE, { cost_usd: 0.5 }));
    })();
  });
  await new Promise<void>((done) => http.listen(0, "127.0.0.1", done));
  const server: ClientServer = {
    baseUrl: `http://127.0.0.1:${(http.address() as AddressInfo).port}/v1`,
    bodies: [], requests: [], responses: [],
    close: () => new Promise((done) => { http.closeAllConnections(); http.close(() => done()); }),
  };
  return server;
}
