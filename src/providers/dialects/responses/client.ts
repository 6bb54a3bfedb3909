/** OpenAI Responses as clients speak it (`POST /v1/responses`). */
import type { GatewayError } from "../../../wire/errors.ts";
import type { StreamEvent } from "../../../wire/events.ts";
import { isObject } from "../../../wire/json.ts";
import type { Json, JsonObject } from "../../../wire/json.ts";
import { removalOf } from "../../../wire/scan.ts";
import type { Edit } from "../../../wire/scan.ts";
import type { Usage } from "../../../wire/usage.ts";
import type { ClientDialect, ClientHead, Passed, PassedBody } from "../client.ts";
import { sseFrame } from "../client.ts";
import type { Target } from "../dialect.ts";
import { encodeError } from "../openai/encode.ts";
import { ResponseEncoder } from "./client-answer.ts";
import { extrasOf } from "./client-extras.ts";
import { responseId } from "./client-ids.ts";
import { parseRequest } from "./client-parse.ts";
import { responseError } from "./client-response.ts";
import { isOurs } from "./client-state.ts";
import { unboundedByClient, unseenBytes } from "./client-unbounded.ts";

export { cancelledResponse, endingEvent, errorIn, failedResponse, foregroundEdits, isAnswered, isRunning, openingResponse, retoldEvent, type Retold } from "./client-background.ts";
export { inputItemsOf, outputItemsOf } from "./client-history.ts";
export { continueEdits, continuesOf, historyOf, inputItemsPage, itemIdsOf, itemIn, keptOf, readKept, responseIn } from "./client-kept.ts";
export type { Continues, KeptResponse } from "./client-kept.ts";
export { unseenBytes } from "./client-unbounded.ts";

/** Beyond any number that the broken stream can have reached: what is numbered must not go back. */
const LAST_SEQUENCE = 2_147_483_647;

export const responsesClient: ClientDialect = {
  id: "openai-responses",
  streamType: "text/event-stream; charset=utf-8",
  keepAlive: ": keep-alive\n\n",
  parse: (raw) => parseRequest(raw),
  pass,
  openEncoder: (head) => new ResponseEncoder(head),
  encodeAnswer,
  encodeError: (error) => encodeError(error),
  brokenFrame,
  unboundedFields: unboundedByClient,
  extrasOf,
  unseenBytes,
};

function encodeAnswer(events: readonly StreamEvent[], head: ClientHead): JsonObject {
  const encoder = new ResponseEncoder(head);
  let usage: Usage | undefined;
  for (const event of events) {
    if (event.kind === "usage") usage = event.usage;
    else encoder.encode(event);
  }
  return encoder.whole(usage);
}

/**
 * The model's name, our own field out, and reasoning of other makers out: what we wrote into `encrypted_content` is an
 * error at a real Responses API. Only a body that holds such items gets its `input` written anew.
 */
function pass(body: PassedBody, target: Target): Passed {
  const edits: Edit[] = [];
  const input = withoutOurState(body.raw["input"]);
  body.scan.members.forEach((found, i) => {
    if (found.key === "model") edits.push({ start: found.valueStart, end: found.valueEnd, text: JSON.stringify(target.upstreamModel) });
    else if (found.key === "spillway") edits.push(removalOf(body.scan, i));
    else if (found.key === "input" && input !== undefined) edits.push({ start: found.valueStart, end: found.valueEnd, text: JSON.stringify(input) });
  });
  if (body.request.preferences !== undefined && target.provider.quirks.takesPreferences === true) {
    edits.push({ start: body.scan.close, end: body.scan.close, text: `,"provider":${JSON.stringify(body.request.preferences)}` });
  }
  return { path: "/responses", edits, ...(input !== undefined && { warnings: ["earlier reasoning of another maker was left out: only it can read it"] }) };
}

/** The input without reasoning items that we authored; undefined where there are none. */
function withoutOurState(input: Json | undefined): readonly Json[] | undefined {
  if (!Array.isArray(input)) return undefined;
  const items = input as readonly Json[];
  const kept = items.filter((item) => !(isObject(item) && item["type"] === "reasoning" && isOurs(item["encrypted_content"])));
  return kept.length === items.length ? undefined : kept;
}

/** The stream's own id is not known any more; the frame says how it ended and why. */
function brokenFrame(error: GatewayError, requestId: string): string {
  const response = {
    id: responseId(requestId), object: "response", created_at: 0, status: "failed", completed_at: null, error: responseError(error),
    incomplete_details: null, instructions: null, model: "", tools: [], output: [], parallel_tool_calls: true, metadata: {}, tool_choice: "auto",
    temperature: 1, top_p: 1,
  };
  return sseFrame("response.failed", { type: "response.failed", sequence_number: LAST_SEQUENCE, response });
}
