/** The Cohere v2 chat dialect as clients speak it: `POST /v2/chat`. */
import type { Capability } from "../../../wire/capability.ts";
import type { GatewayError } from "../../../wire/errors.ts";
import type { JsonObject } from "../../../wire/json.ts";
import { removalOf, type Edit } from "../../../wire/scan.ts";
import type { ClientDialect, ListedModel, PassedBody } from "../client.ts";
import type { Target } from "../dialect.ts";
import { parse } from "./parse.ts";
import { unboundedFields } from "./unbounded.ts";
import { encodeAnswer, failedFrames, StreamWriter } from "./write.ts";

export const cohereClient: ClientDialect = {
  id: "cohere-v2",
  streamType: "text/event-stream",
  keepAlive: ": keep-alive\n\n",
  parse,
  pass,
  openEncoder: (head) => new StreamWriter(head),
  encodeAnswer,
  encodeError,
  // The same words whether or not anything came before: the official client reads the end of a message from it.
  brokenFrame: (error) => failedFrames(error, null),
  models: {
    list: (models, more) => ({ models: models.map(listed), ...(more === true ? { next_page_token: models.at(-1)?.id ?? "" } : {}) }),
    one: listed,
    paging: { size: "page_size", after: "page_token" },
  },
  unboundedFields,
};

/** The API's own words for what a model can do. */
const FEATURES: readonly (readonly [string, Capability])[] = [["tools", "tools"], ["json_mode", "json_object"], ["json_schema", "json_schema"], ["vision", "image_in"], ["logprobs", "logprobs"]];
const ENDPOINTS = { chat: ["chat"], embedding: ["embed"], other: [] } as const;

function listed(model: ListedModel): JsonObject {
  const facts = model.about?.() ?? null;
  const contextWindow = model.contextWindow ?? facts?.contextWindow ?? null;
  return {
    name: model.id, is_deprecated: false, finetuned: false, default_endpoints: [],
    ...(facts === null ? {} : {
      endpoints: ENDPOINTS[facts.kind],
      features: facts.kind === "chat" ? [...FEATURES.flatMap(([word, capability]) => (facts.can[capability] === true ? [word] : [])), ...(facts.reasons ? ["reasoning"] : [])] : [],
    }),
    ...(contextWindow === null ? {} : { context_length: contextWindow }),
  };
}

/** Only the model's name changes, and our own field goes out: streams tell their usage unasked. */
function pass(body: PassedBody, target: Target): { readonly path: string; readonly edits: readonly Edit[] } {
  const edits: Edit[] = [];
  body.scan.members.forEach((member, at) => {
    if (member.key === "model") edits.push({ start: member.valueStart, end: member.valueEnd, text: JSON.stringify(target.upstreamModel) });
    else if (member.key === "spillway") edits.push(removalOf(body.scan, at));
  });
  return { path: "/chat", edits };
}

/** `message` and `id` are the API's own; our stable code stands beside them. */
function encodeError(error: GatewayError, requestId: string): JsonObject {
  return { id: requestId, message: error.message, code: error.upstreamCode ?? error.code, ...(error.param === null ? {} : { param: error.param }) };
}
