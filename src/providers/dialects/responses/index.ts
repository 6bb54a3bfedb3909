/** OpenAI Responses as an upstream dialect: OpenAI itself and every host that follows it. */
import type { Dialect } from "../dialect.ts";
import { decodeAnswer, openStream } from "./decode.ts";
import { unboundedFields } from "./encode-price-fields.ts";
import { encodeChat } from "./encode.ts";
import { readError } from "./errors.ts";

export const openaiResponses: Dialect = {
  id: "openai-responses",
  encodeChat,
  decodeAnswer,
  openStream,
  readError,
  unboundedFields,
};
