/**
 * Chat completions as Mistral's own clients speak them: the official SDKs and the AI SDK's package. They read answers too
 * strictly for what other hosts of the protocol write, so no bytes pass: every answer is written anew.
 */
import type { JsonObject } from "../../../wire/json.ts";
import type { ClientDialect, ListedModel } from "../client.ts";
import type { Target, Unsupported } from "../dialect.ts";
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

/** Capabilities have to be there; which ones a model has, a listing does not know. */
function listed(model: ListedModel): JsonObject {
  const context = model.contextWindow === null ? {} : { max_context_length: model.contextWindow };
  return { id: model.id, object: "model", created: model.createdS, owned_by: model.ownedBy, capabilities: {}, type: "base", ...context };
}
