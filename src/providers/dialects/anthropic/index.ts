/** The Anthropic Messages protocol as an upstream. */
import type { Dialect } from "../dialect.ts";
import { decodeAnswer, openStream } from "./decode.ts";
import { encodeChat } from "./encode.ts";
import { readError } from "./errors.ts";
import { unboundedFields } from "./unbounded.ts";

export const anthropicMessages: Dialect = {
  id: "anthropic-messages",
  encodeChat,
  decodeAnswer,
  openStream,
  readError,
  unboundedFields,
};
