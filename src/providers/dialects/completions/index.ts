/**
 * The legacy completions of OpenAI as clients speak them: `POST /v1/completions`. No provider is asked in this form: a
 * prompt is served as a chat of one message, so every candidate can serve it and no bytes pass.
 */
import type { JsonObject } from "../../../wire/json.ts";
import type { ClientDialect } from "../client.ts";
import { encodeError } from "../openai/encode.ts";
import { extrasOf } from "../openai/extras.ts";
import { unboundedFields } from "../openai/price-fields.ts";
import { parse } from "./parse.ts";
import { encodeAnswer, failedFrames, StreamWriter } from "./write.ts";

export const completionsClient: ClientDialect = {
  id: "openai-chat",
  passes: false,
  streamType: "text/event-stream",
  keepAlive: ": keep-alive\n\n",
  parse,
  // Never asked, since `passes` is false; the bytes as they are would be no request of a chat.
  pass: () => ({ path: "/completions", edits: [] }),
  openEncoder: (head) => new StreamWriter(head),
  encodeAnswer,
  encodeError: (error): JsonObject => encodeError(error),
  brokenFrame: (error) => failedFrames(error),
  unboundedFields,
  extrasOf,
};
