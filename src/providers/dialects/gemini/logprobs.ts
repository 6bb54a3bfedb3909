/** `logprobsResult` → the `logprobs` member of an OpenAI choice. */
import { asArray, asNumber, asString, isObject, member, type Json } from "../../../wire/json.ts";

const encoder = new TextEncoder();

/** `{content: [{token, logprob, bytes, top_logprobs}], refusal: null}`, or undefined where there is nothing to tell. */
export function openAiLogprobs(result: Json | undefined): Json | undefined {
  if (!isObject(result)) return undefined;
  const steps = asArray(result["topCandidates"]);
  const content = asArray(result["chosenCandidates"]).map((chosen, i) => ({
    ...tokenOf(chosen),
    top_logprobs: asArray(member(steps[i], "candidates")).map(tokenOf),
  }));
  return content.length === 0 ? undefined : { content, refusal: null };
}

function tokenOf(candidate: Json): { token: string; logprob: number; bytes: number[] } {
  const token = asString(member(candidate, "token")) ?? "";
  return { token, logprob: asNumber(member(candidate, "logProbability")) ?? 0, bytes: [...encoder.encode(token)] };
}
