/** A Converse body for a provider of the same dialect: which few bytes change. */
import { asArray, asString, isObject, type Json, type JsonObject, member } from "../../../wire/json.ts";
import { type Edit, removalOf } from "../../../wire/scan.ts";
import type { Passed, PassedBody } from "../client.ts";
import type { Target } from "../dialect.ts";
import { isMarked } from "../opaque.ts";
import { modelPath } from "./names.ts";
import { traitsOf } from "./traits.ts";

const UNSIGNED_LEFT_OUT = { warnings: ["earlier reasoning that this provider's models did not sign was left out: they would refuse it"] };

/** Path and edits: our own field out, and reasoning that the model's maker never signed. */
export function pass(body: PassedBody, target: Target): Passed {
  const edits: Edit[] = [];
  const left = traitsOf(target).maker === "claude" && asArray(body.raw.messages).some(holdsUnsigned);
  body.scan.members.forEach((member, at) => {
    if (member.key === "spillway") edits.push(removalOf(body.scan, at));
    else if (member.key === "messages" && left) {
      edits.push({ start: member.valueStart, end: member.valueEnd, text: JSON.stringify(signedOnly(asArray(body.raw.messages))) });
    }
  });
  return { path: modelPath(target.upstreamModel, body.request.stream), edits, ...(left && UNSIGNED_LEFT_OUT) };
}

/**
 * Reasoning without its signature comes from an earlier turn that another maker's model answered, and so does state under a
 * mark of ours. Left in, either would have the conversation refused here for good.
 */
function isUnsigned(block: Json): boolean {
  const content = member(block, "reasoningContent");
  if (isMarked(asString(member(content, "redactedContent")) ?? "")) return true;
  const told = member(content, "reasoningText");
  return isObject(told) && (told.signature === undefined || told.signature === null || told.signature === "");
}

function holdsUnsigned(message: Json): boolean {
  return member(message, "role") === "assistant" && asArray(member(message, "content")).some(isUnsigned);
}

/** The messages without such blocks, and without messages that held nothing else. */
function signedOnly(messages: readonly Json[]): readonly Json[] {
  return messages.flatMap((message): readonly Json[] => {
    if (!isObject(message) || !holdsUnsigned(message)) return [message];
    const content = asArray(message.content).filter((block) => !isUnsigned(block));
    const kept: JsonObject = { ...message, content };
    return content.length === 0 ? [] : [kept];
  });
}
