/** A Messages body for a provider of the same dialect: which few bytes change. */
import { asArray, asString, isObject, type Json, type JsonObject, member } from "../../../wire/json.ts";
import { type Edit, removalOf } from "../../../wire/scan.ts";
import type { Passed, PassedBody } from "../client.ts";
import type { Target } from "../dialect.ts";
import { isMarked } from "../opaque.ts";

const UNSIGNED_LEFT_OUT = { warnings: ["earlier reasoning that this provider's models did not sign was left out: they would refuse it"] };

/** Path and edits: the model's name, our own field out, and reasoning that this dialect's makers never signed. */
export function pass(body: PassedBody, target: Target): Passed {
  const edits: Edit[] = [];
  const left = asArray(body.raw.messages).some(holdsUnsigned);
  body.scan.members.forEach((member, at) => {
    if (member.key === "model") edits.push({ start: member.valueStart, end: member.valueEnd, text: JSON.stringify(target.upstreamModel) });
    else if (member.key === "spillway") edits.push(removalOf(body.scan, at));
    else if (member.key === "messages" && left) {
      edits.push({ start: member.valueStart, end: member.valueEnd, text: JSON.stringify(signedOnly(asArray(body.raw.messages))) });
    }
  });
  return { path: "/messages", edits, ...(left && UNSIGNED_LEFT_OUT) };
}

/**
 * A block of thinking without a signature comes from an earlier turn that a provider of another dialect served: we wrote it
 * so, with an empty one, which some clients leave out; so does state under a mark of ours. Left in, either would have the
 * conversation refused here for good.
 */
function isUnsigned(block: Json): boolean {
  if (!isObject(block)) return false;
  if (block.type === "redacted_thinking") return isMarked(asString(block.data) ?? "");
  return block.type === "thinking" && ((block.signature ?? "") === "" || isMarked(asString(block.signature) ?? ""));
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
