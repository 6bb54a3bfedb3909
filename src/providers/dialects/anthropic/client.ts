/** The Anthropic Messages protocol as clients speak it. */
import type { GatewayError } from "../../../wire/errors.ts";
import { type ClientDialect, sseFrame } from "../client.ts";
import { encodeAnswer, openEncoder } from "./client-answer.ts";
import { encodeError } from "./client-errors.ts";
import { parse } from "./client-parse.ts";
import { encodeModel, encodeModelsList } from "./client-models.ts";
import { pass } from "./client-pass.ts";
import { rateHeaders } from "./client-rates.ts";
import { extrasOf } from "./extras.ts";
import { unboundedFields } from "./unbounded.ts";

export { encodeModel, encodeModelsList };

export const anthropicClient: ClientDialect = {
  id: "anthropic-messages",
  streamType: "text/event-stream; charset=utf-8",
  keepAlive: sseFrame("ping", { type: "ping" }),
  marker: (spillway) => sseFrame("ping", { type: "ping", spillway }),
  lastEvent: sseFrame("message_stop", { type: "message_stop" }),
  passedHeaders: ["anthropic-version"],
  parse,
  pass,
  openEncoder,
  encodeAnswer,
  encodeError,
  rateHeaders,
  brokenFrame: (error: GatewayError, requestId: string) => sseFrame("error", encodeError(error, requestId)),
  models: { list: encodeModelsList, one: encodeModel, paging: { size: "limit", after: "after_id", before: "before_id" } },
  unboundedFields,
  extrasOf,
};
