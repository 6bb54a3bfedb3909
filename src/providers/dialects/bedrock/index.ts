/** Bedrock Converse: as an upstream, and as clients speak it. */
import type { Dialect } from "../dialect.ts";
import { decodeAnswer, openStream } from "./decode.ts";
import { encodeChat } from "./encode.ts";
import { readError } from "./errors.ts";
import { unboundedFields } from "./unbounded.ts";

export const bedrockConverse: Dialect = {
  id: "bedrock-converse",
  framing: "event-stream",
  streamType: "application/vnd.amazon.eventstream",
  encodeChat,
  decodeAnswer,
  openStream,
  readError,
  unboundedFields,
};

export { bedrockClient, errorTypeOf } from "./client.ts";
