/** Chat completions as Mistral's clients read them: thoughts among the chunks of a content, and only members that they know. */
import type { Json, JsonObject } from "../../../src/wire/json.ts";
import { chatReader } from "./chat.ts";
import { dataOf, list, num, obj, str, type Reader, type Seen } from "./spec.ts";

/** A content grows by texts and by chunks, thoughts by chunks until one is closed; calls come whole. */
function assemble(events: Parameters<Reader["assemble"]>[0]): JsonObject {
  const choices = new Map<number, { content: Json[]; rest: Record<string, Json>; finish: Json }>();
  let usage: Json = null;
  for (const frame of dataOf(events)) {
    usage = frame["usage"] ?? usage;
    for (const choice of list(frame["choices"]).map(obj)) {
      const index = num(choice["index"]);
      const open = choices.get(index) ?? { content: [], rest: {}, finish: null };
      choices.set(index, open);
      const { content, ...rest } = obj(choice["delta"]);
      for (const chunk of chunksOf(content)) add(open.content, obj(chunk));
      Object.assign(open.rest, rest);
      open.finish = choice["finish_reason"] ?? open.finish;
    }
  }
  return { choices: [...choices].map(([index, { content, rest, finish }]) => ({ index, message: { ...rest, content }, finish_reason: finish })), usage };
}

function add(content: Json[], chunk: JsonObject): void {
  const last = obj(content.at(-1));
  if (chunk["type"] !== last["type"] || last["closed"] === true) content.push(chunk);
  else if (chunk["type"] === "thinking") content[content.length - 1] = { ...last, ...chunk, thinking: [...list(last["thinking"]), ...list(chunk["thinking"])] };
  else content[content.length - 1] = { ...last, text: str(last["text"]) + str(chunk["text"]) };
}

function chunksOf(content: Json | undefined): readonly Json[] {
  return typeof content === "string" ? [{ type: "text", text: content }] : list(content);
}

function read(answer: JsonObject): Seen {
  const messages = list(answer["choices"]).map((choice) => obj(obj(choice)["message"]));
  const seen = chatReader.read(answer);
  return {
    ...seen,
    choices: seen.choices.map((choice, i) => {
      const chunks = chunksOf(messages[i]?.["content"]).map(obj);
      const thoughts = chunks.filter((chunk) => chunk["type"] === "thinking");
      return {
        ...choice,
        text: chunks.map((chunk) => str(chunk["text"])).join(""),
        reasoning: thoughts.flatMap((chunk) => list(chunk["thinking"]).map((part) => str(obj(part)["text"]))).join(""),
        signatures: thoughts.map((chunk) => str(chunk["signature"])).filter((one) => one !== ""),
        // The protocol has neither.
        redacted: [],
        refusal: "",
      };
    }),
  };
}

export const chatMistralReader: Reader = { assemble, read, finish: chatReader.finish };
