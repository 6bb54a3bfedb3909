/**
 * The Gemini generateContent dialect as clients speak it, on `/v1` and `/v1beta`. Model and method stand in the path.
 * Sources: the API reference, and what @google/genai, @google/generative-ai and @ai-sdk/google send and read.
 */
import { asArray, asString, isObject, member, type JsonObject } from "../../../wire/json.ts";
import { removalOf, type Edit } from "../../../wire/scan.ts";
import { sseFrame, type ClientDialect, type Passed, type PassedBody } from "../client.ts";
import type { Target } from "../dialect.ts";
import { KEEP_ALIVE, encodeAnswer, errorFrame, openEncoder } from "./client-encode.ts";
import { encodeError } from "./client-errors.ts";
import { isWrapped, wrappedRanges } from "./client-opaque.ts";
import { encodeModel, encodeModelsList } from "./client-models.ts";
import { parseRequest } from "./client-parse.ts";
import { modelPath } from "./encode.ts";
import { extrasOf } from "./extras.ts";
import { unboundedFields } from "./unbounded.ts";

export { encodeModel, encodeModelsList };

export const geminiClient: ClientDialect = {
  id: "gemini",
  streamType: "text/event-stream",
  keepAlive: KEEP_ALIVE,
  marker: (spillway) => sseFrame(null, { candidates: [{ content: { parts: [{ text: "" }], role: "model" }, index: 0 }], spillway }),
  parse: parseRequest,
  pass,
  openEncoder,
  encodeAnswer,
  encodeError,
  brokenFrame: (error, requestId) => errorFrame(error, requestId, null),
  models: { list: encodeModelsList, one: encodeModel, paging: { size: "pageSize", after: "pageToken" } },
  unboundedFields,
  extrasOf,
};

function pass(body: PassedBody, target: Target): Passed {
  const path = modelPath(target.upstreamModel) + (body.request.stream ? ":streamGenerateContent?alt=sse" : ":generateContent");
  const ours = body.scan.members.findIndex((member) => member.key === "spillway");
  const edits: Edit[] = ours < 0 ? [] : [removalOf(body.scan, ours)];
  // Reasoning that another maker signed in an earlier turn: this dialect's models refuse a conversation that holds it.
  const left = holdsWrapped(body.raw);
  if (left) {
    const inOurs = (at: number): boolean => edits.some((edit) => at >= edit.start && at < edit.end);
    for (const { start, end } of wrappedRanges(body.bytes)) if (!inOurs(start)) edits.push({ start, end, text: `""` });
  }
  return { path, edits, ...(left && { warnings: ["earlier reasoning of another maker was left out: only it can read it"] }) };
}

function holdsWrapped(raw: JsonObject): boolean {
  return asArray(raw["contents"]).some((content) => asArray(member(content, "parts")).some((part) => {
    const signature = isObject(part) ? (asString(part["thoughtSignature"]) ?? asString(part["thought_signature"])) : undefined;
    return signature !== undefined && isWrapped(signature);
  }));
}
