/** generateContent as its clients read it: parts of all chunks, one behind the other. */
import type { Json, JsonObject } from "../../../src/wire/json.ts";
import { dataOf, list, NOTHING_SEEN, num, obj, str, type Reader, type Seen } from "./spec.ts";

function assemble(events: Parameters<Reader["assemble"]>[0]): JsonObject {
  const candidates = new Map<number, Record<string, Json>>();
  let usageMetadata: Json = null;
  let promptFeedback: Json | undefined;
  for (const chunk of dataOf(events)) {
    promptFeedback = chunk["promptFeedback"] ?? promptFeedback;
    usageMetadata = chunk["usageMetadata"] ?? usageMetadata;
    for (const candidate of list(chunk["candidates"]).map(obj)) {
      const index = num(candidate["index"]);
      const before: Record<string, Json> = candidates.get(index) ?? { index, content: { role: "model", parts: [] } };
      const { content, ...rest } = candidate;
      const parts = [...list(obj(before["content"])["parts"]), ...list(obj(content)["parts"])];
      const chosen = [before, rest].flatMap((one) => list(obj(one["logprobsResult"])["chosenCandidates"]));
      const merged: Record<string, Json> = { ...before, ...(rest as Record<string, Json>), content: { role: "model", parts } };
      if (chosen.length > 0) merged["logprobsResult"] = { chosenCandidates: chosen };
      candidates.set(index, merged);
    }
  }
  return { candidates: [...candidates.values()], usageMetadata, ...(promptFeedback === undefined ? {} : { promptFeedback }) };
}

function read(answer: JsonObject): Seen {
  const usage = obj(answer["usageMetadata"]);
  const cacheRead = num(usage["cachedContentTokenCount"]);
  return {
    // What was written to a cache is part of the prompt here.
    usage: { input: num(usage["promptTokenCount"]) - cacheRead, cacheRead, cacheWrite: null, output: num(usage["candidatesTokenCount"]), reasoning: num(usage["thoughtsTokenCount"]) },
    choices: list(answer["candidates"]).map(obj).map((candidate) => {
      const parts = list(obj(candidate["content"])["parts"]).map(obj);
      const calls = parts.map((part) => part["functionCall"]).filter((call) => call !== undefined).map(obj);
      return {
        ...NOTHING_SEEN,
        text: parts.filter((part) => part["thought"] !== true).map((part) => str(part["text"])).join(""),
        reasoning: parts.filter((part) => part["thought"] === true).map((part) => str(part["text"])).join(""),
        calls: calls.map((call) => ({ id: str(call["id"]), name: str(call["name"]), input: call["args"] ?? {} })),
        finish: str(candidate["finishReason"]),
        signatures: parts.map((part) => str(part["thoughtSignature"])).filter((one) => one !== ""),
        logprobs: list(obj(candidate["logprobsResult"])["chosenCandidates"]).map(obj).map((one) => num(one["logProbability"])),
      };
    }),
  };
}

export const generateContentReader: Reader = { assemble, read, finish: { stop: "STOP", length: "MAX_TOKENS", filter: "SAFETY", calls: "STOP" } };
