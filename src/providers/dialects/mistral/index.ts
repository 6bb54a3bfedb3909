/**
 * Chat completions as Mistral's own clients speak them: the official SDKs and the AI SDK's package. They read answers too
 * strictly for what other hosts of the protocol write, so no bytes pass: every answer is written anew.
 */
import type { JsonObject } from "../../../wire/json.ts";
import type { ClientDialect, ListedFacts, ListedModel } from "../client.ts";
import type { Target, Unsupported } from "../dialect.ts";
import { extrasOf } from "../openai/extras.ts";
import { unboundedFields } from "../openai/price-fields.ts";
import { parse } from "./parse.ts";
import { encodeAnswer, encodeError, failedFrame, StreamWriter } from "./write.ts";

export const mistralClient: ClientDialect = {
  id: "openai-chat",
  passes: false,
  ownForm: (target) => target.provider.quirks.chunks === true,
  streamType: "text/event-stream; charset=utf-8",
  keepAlive: ": keep-alive\n\n",
  parse,
  // Never asked, since `passes` is false.
  pass: () => ({ path: "/chat/completions", edits: [] }),
  openEncoder: (head) => new StreamWriter(head),
  encodeAnswer,
  encodeError: (error): JsonObject => encodeError(error),
  brokenFrame: (error) => failedFrame(error),
  models: { list: (models) => ({ object: "list", data: models.map(listed) }), one: listed },
  unboundedFields,
  extrasOf,
  embeddings: { body: embeddingsBody, id: (requestId) => `embd-${requestId}` },
};

/** The size of a vector has another name elsewhere, and numbers are told in one way only. */
function embeddingsBody(raw: JsonObject, target: Target): { readonly kind: "body"; readonly body: JsonObject } | Unsupported {
  const { output_dimension: size, output_dtype: type, ...rest } = raw;
  if (target.provider.quirks.chunks === true || (size === undefined && type === undefined)) return { kind: "body", body: raw };
  if (type !== undefined && type !== null && type !== "float") {
    return { kind: "unsupported", param: "output_dtype", message: `${target.provider.name} gives vectors of floats only` };
  }
  return { kind: "body", body: size === undefined || size === null ? rest : { ...rest, dimensions: size } };
}

/** What is not known of a model is not denied: clients do not even ask for what a list denies. */
function listed(model: ListedModel): JsonObject {
  const facts = model.about?.() ?? null;
  const contextWindow = model.contextWindow ?? facts?.contextWindow ?? null;
  return {
    id: model.id, object: "model", created: model.createdS, owned_by: model.ownedBy, name: model.name,
    capabilities: facts === null ? {} : capabilities(facts),
    type: "base",
    ...(contextWindow === null ? {} : { max_context_length: contextWindow }),
  };
}

function capabilities({ kind, can, reasons }: ListedFacts): JsonObject {
  const chat = kind === "chat";
  return {
    completion_chat: chat, function_calling: chat && can.tools !== false, reasoning: chat && reasons, vision: chat && can.image_in !== false, audio: chat && can.audio_in !== false,
    completion_fim: false, fine_tuning: false, ocr: false, classification: false, moderation: false,
  };
}
