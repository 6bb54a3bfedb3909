/** Reads an Embeddings body; the same rules as for chat. */
import { gatewayError } from "../../../wire/errors.ts";
import type { GatewayError } from "../../../wire/errors.ts";
import type { Json, JsonObject } from "../../../wire/json.ts";
import { utf8Bytes } from "./measure.ts";
import { Reader, Refused } from "./parse-reader.ts";

export interface EmbeddingsRequest {
  readonly model: string;
  /** As sent: text, texts, one text's tokens, several texts' tokens. */
  readonly input: Json;
  readonly inputCount: number;
  /** UTF-8 bytes of all texts; 0 for tokens. */
  readonly textBytes: number;
  /** Exact, where the input is tokens; 0 for text. */
  readonly tokenCount: number;
  readonly encodingFormat: "float" | "base64" | undefined;
  readonly dimensions: number | undefined;
  readonly user: string | undefined;
  /** Fields that none of the above covers, as sent. */
  readonly other: JsonObject;
}

export type ParsedEmbeddings =
  | { readonly kind: "request"; readonly request: EmbeddingsRequest }
  | { readonly kind: "error"; readonly error: GatewayError };

const KNOWN = new Set(["model", "input", "encoding_format", "dimensions", "user"]);

/** Parse a body that is already JSON. Never throws. */
export function parseEmbeddingsRequest(raw: JsonObject): ParsedEmbeddings {
  const reader = new Reader();
  try {
    const model = reader.string(raw["model"], "model");
    if (model === undefined || model === "") throw reader.missing("model", "the name of a model");
    const encoding = reader.string(raw["encoding_format"], "encoding_format");
    if (encoding !== undefined && encoding !== "float" && encoding !== "base64") {
      throw new Refused(
        gatewayError("invalid_body", `encoding_format must be float or base64, not "${encoding.slice(0, 64)}".`, {
          param: "encoding_format",
        }),
      );
    }
    const input = raw["input"];
    if (input === undefined || input === null) throw reader.missing("input", "a string, a list of strings, or tokens");
    return {
      kind: "request",
      request: {
        model,
        input,
        ...measureInput(input, reader),
        encodingFormat: encoding,
        dimensions: reader.integerFrom(1, raw["dimensions"], "dimensions"),
        user: reader.string(raw["user"], "user"),
        other: Object.fromEntries(Object.entries(raw).filter(([key]) => !KNOWN.has(key))),
      },
    };
  } catch (refused) {
    if (refused instanceof Refused) return { kind: "error", error: refused.error };
    throw refused;
  }
}

function measureInput(input: Json, reader: Reader): { inputCount: number; textBytes: number; tokenCount: number } {
  if (typeof input === "string") return { inputCount: 1, textBytes: utf8Bytes(input), tokenCount: 0 };
  if (!Array.isArray(input)) throw reader.wrong("input", "a string, a list of strings, or tokens", input);
  const list = input as readonly Json[];
  const [first] = list;
  if (first === undefined) throw new Refused(gatewayError("invalid_body", "input must not be empty.", { param: "input" }));
  if (typeof first === "number") {
    tokens(list, "input", reader);
    return { inputCount: 1, textBytes: 0, tokenCount: list.length };
  }
  let textBytes = 0;
  let tokenCount = 0;
  list.forEach((entry, i) => {
    if (typeof first === "string") {
      if (typeof entry !== "string") throw reader.wrong(`input[${i}]`, "a string", entry);
      textBytes += utf8Bytes(entry);
    } else tokenCount += tokens(entry, `input[${i}]`, reader);
  });
  return { inputCount: list.length, textBytes, tokenCount };
}

function tokens(value: Json, path: string, reader: Reader): number {
  if (!Array.isArray(value)) throw reader.wrong(path, "a string or a list of tokens", value);
  (value as readonly Json[]).forEach((token, i) => {
    if (typeof token !== "number" || !Number.isSafeInteger(token) || token < 0) throw reader.wrong(`${path}[${i}]`, "a token number", token);
  });
  return value.length;
}
