/** OpenAI Chat Completions as clients speak it. Its form is the hub's own, so little is left to do. */
import type { GatewayError } from "../../../wire/errors.ts";
import type { StreamEvent } from "../../../wire/events.ts";
import type { JsonObject } from "../../../wire/json.ts";
import type { Usage } from "../../../wire/usage.ts";
import { sseFrame, type AnswerEncoder, type ClientDialect, type ClientHead, type ListedModel, type ParsedByClient } from "../client.ts";
import { needsRewrite, passThroughEdits } from "../pass-through.ts";
import { ChunkEncoder, encodeAnswer, encodeError } from "./encode.ts";
import { extrasOf } from "./extras.ts";
import { parseChatRequest } from "./parse.ts";
import { unboundedFields } from "./price-fields.ts";

const DONE = "data: [DONE]\n\n";
const NOTHING_ELSEWHERE: readonly never[] = [];
/** What an answer of no real provider says of itself, in the field that every client can read. */
const SIMULATED_FINGERPRINT = "spillway-simulated";

export const openaiClient: ClientDialect = {
  id: "openai-chat",
  streamType: "text/event-stream; charset=utf-8",
  keepAlive: ": keep-alive\n\n",
  terminal: DONE,
  parse: (raw, outside): ParsedByClient => {
    // The path names a deployment where it names anything; what the body says beside it is a habit of the client.
    const parsed = parseChatRequest(outside.model === undefined ? raw : { ...raw, model: outside.model });
    return parsed.kind === "error" ? parsed : { ...parsed, onlyHere: NOTHING_ELSEWHERE };
  },
  usageAsked: (request) => request.includeUsage,
  mustRewrite: (body, target) => needsRewrite(body, target.provider),
  pass: (body, target) => ({ path: "/chat/completions", ...passThroughEdits(body, target.provider, target.upstreamModel) }),
  openEncoder: (head) => new ChunkWriter(head, false),
  encodeAnswer: (events, head) => whole(events, head, false),
  encodeError: (error) => encodeError(error),
  brokenFrame: (error) => sseFrame(null, encodeError(error)),
  models: {
    list: (models, more) => ({ object: "list", data: models.map(listed), ...(more === undefined ? {} : { first_id: models[0]?.id ?? null, last_id: models.at(-1)?.id ?? null, has_more: more }) }),
    one: listed,
    paging: { size: "limit", after: "after" },
  },
  unboundedFields,
  extrasOf,
};

/** The same for clients that read reasoning in `reasoning`. What such a client sends back there goes on as the host has it. */
export const openaiClientOfBothFields: ClientDialect = {
  ...openaiClient,
  answersAnew: true,
  mustRewrite: (body, target) => needsRewrite(body, target.provider) || body.request.messages.some((message) => message.role === "assistant" && message.reasoning.length > 0),
  openEncoder: (head) => new ChunkWriter(head, true),
  encodeAnswer: (events, head) => whole(events, head, true),
};

function whole(events: readonly StreamEvent[], head: ClientHead, bothFields: boolean): JsonObject {
  return encodeAnswer(events, answerHead(head), head.simulated ? { system_fingerprint: SIMULATED_FINGERPRINT } : {}, bothFields);
}

function listed(model: ListedModel): JsonObject {
  return { id: model.id, object: "model", created: model.createdS, owned_by: model.ownedBy };
}

function answerHead({ requestId, model, createdS }: ClientHead) {
  return { id: `chatcmpl-${requestId}`, model, createdS };
}

class ChunkWriter implements AnswerEncoder {
  readonly #chunks: ChunkEncoder;
  readonly #includeUsage: boolean;
  readonly #simulated: boolean;

  constructor(head: ClientHead, bothFields: boolean) {
    this.#includeUsage = head.request.includeUsage;
    this.#simulated = head.simulated;
    this.#chunks = new ChunkEncoder({ ...answerHead(head), includeUsage: this.#includeUsage, bothFields });
  }

  encode(event: StreamEvent): string {
    const chunks = this.#chunks.encodeJson(event.kind === "start" && this.#simulated ? { ...event, systemFingerprint: SIMULATED_FINGERPRINT } : event);
    if (chunks.length === 1) return `data: ${chunks[0]}\n\n`;
    let text = "";
    for (const chunk of chunks) text += `data: ${chunk}\n\n`;
    return text;
  }

  closing(usage: Usage, spillway: JsonObject): string {
    return this.#includeUsage ? sseFrame(null, this.#chunks.usageChunk(usage, { spillway })) + DONE : DONE;
  }

  failed(error: GatewayError): string {
    return sseFrame(null, encodeError(error));
  }
}
