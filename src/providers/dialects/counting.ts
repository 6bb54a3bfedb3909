/**
 * How clients ask for the number of a prompt's tokens without running it, in each protocol that has such a question. The
 * body is that of a chat request or nearly so; a provider of the same protocol gets it as it was sent.
 */
import { asNumber, isObject, member, type Json, type JsonObject } from "../../wire/json.ts";
import type { BodyScan, Edit } from "../../wire/scan.ts";
import type { CountName } from "../../wire/surfaces.ts";

export interface Counting {
  /** The chat request whose prompt is counted, as the surface's parser takes it. */
  request(raw: JsonObject): JsonObject;
  /** Where it is asked, by the path of that chat request. */
  path(chatPath: string): string;
  /** What has to change in the body besides what changes in a chat request. */
  edits?(raw: JsonObject, scan: Extract<BodyScan, { kind: "object" }>, upstreamModel: string): readonly Edit[];
  /** The number that an answer tells; undefined: it is none. */
  tokensIn(answer: Json): number | undefined;
  /** The answer that we write. */
  answer(tokens: number): JsonObject;
}

const COUNTINGS: Readonly<Record<CountName, Counting>> = {
  "responses-input-tokens": {
    request: (raw) => raw,
    path: (chatPath) => `${chatPath}/input_tokens`,
    tokensIn: (answer) => asNumber(member(answer, "input_tokens")),
    answer: (tokens) => ({ object: "response.input_tokens", input_tokens: tokens }),
  },
  "messages-count-tokens": {
    // An output limit is no part of the question, and a request without one is none.
    request: (raw) => ({ ...raw, max_tokens: raw["max_tokens"] ?? 1 }),
    path: (chatPath) => `${chatPath}/count_tokens`,
    tokensIn: (answer) => asNumber(member(answer, "input_tokens")),
    answer: (tokens) => ({ input_tokens: tokens }),
  },
  "generate-content-count-tokens": {
    request: (raw) => wholeRequest(raw) ?? raw,
    path: (chatPath) => chatPath.replace(/:generateContent$/, ":countTokens"),
    edits: (raw, scan, upstreamModel) => {
      const inside = wholeRequest(raw);
      const at = scan.members.find(({ key }) => key === "generateContentRequest" || key === "generate_content_request");
      if (inside === undefined || at === undefined) return [];
      // It names the model once more.
      return [{ start: at.valueStart, end: at.valueEnd, text: JSON.stringify({ ...inside, model: `models/${upstreamModel}` }) }];
    },
    tokensIn: (answer) => asNumber(member(answer, "totalTokens")),
    answer: (tokens) => ({ totalTokens: tokens }),
  },
};

/** How a counting endpoint asks and answers. */
export function countingOf(name: CountName): Counting {
  return COUNTINGS[name];
}

/** A prompt may come alone, or within the whole request that it is part of. */
function wholeRequest(raw: JsonObject): JsonObject | undefined {
  const inside = raw["generateContentRequest"] ?? raw["generate_content_request"];
  return isObject(inside) ? inside : undefined;
}
