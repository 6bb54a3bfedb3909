/** Bedrock Converse as clients speak it: the model in the path, streams in a binary framing. */
import type { ClientDialect } from "../client.ts";
import { encodeAnswer, openEncoder } from "./client-answer.ts";
import { encodeError, errorTypeOf, eventFrame, exceptionFrame } from "./client-frames.ts";
import { parse } from "./client-parse.ts";
import { pass } from "./client-pass.ts";
import { extrasOf } from "./extras.ts";
import { unboundedFields } from "./unbounded.ts";

export { errorTypeOf } from "./client-frames.ts";

export const bedrockClient: ClientDialect = {
  id: "bedrock-converse",
  streamType: "application/vnd.amazon.eventstream",
  // Clients of this framing pass over events whose type they do not know: new ones are added without a version.
  keepAlive: eventFrame("ping", "{}"),
  marker: (spillway) => eventFrame("ping", JSON.stringify({ spillway })),
  parse,
  pass,
  openEncoder,
  encodeAnswer,
  encodeError,
  errorHeaders: (error) => ["x-amzn-errortype", errorTypeOf(error)],
  brokenFrame: exceptionFrame,
  unboundedFields,
  extrasOf,
};
