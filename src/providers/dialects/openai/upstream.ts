/** OpenAI Chat Completions as an upstream dialect: OpenAI itself and every host that follows it. */
import type { Dialect } from "../dialect.ts";
import { decodeAnswer, openStream } from "./decode.ts";
import { encodeChat } from "./encode-request.ts";
import { readError } from "./errors.ts";
import { unboundedFields } from "./price-fields.ts";

export const openaiChat: Dialect = {
  id: "openai-chat",
  encodeChat,
  decodeAnswer,
  openStream,
  readError,
  unboundedFields,
};
