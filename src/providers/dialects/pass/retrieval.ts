/** Moderation, reranking, and embeddings beside those of `/v1/embeddings`. */
import type { DialectId } from "../../../wire/facts.ts";
import { asArray, asNumber, isObject, member, type Json } from "../../../wire/json.ts";
import { inVersion, NO_MEASURE, readTokens, wrongObject, openaiPath, problem, tokensOf, units, utf8Bytes, type PassAnswer, type PassEndpoint, type PassRead } from "./endpoint.ts";
import { READS_DOCUMENTS, READS_PARTS, sizeOf } from "./size.ts";

const WHOLE = { accept: "application/json", answers: /json/i, writesTokens: false } as const;

export const moderations: PassEndpoint = {
  ...WHOLE,
  models: "other",
  defaultModel: "omni-moderation-latest",
  path: openaiPath("/moderations"),
  measure(fields) {
    const input = fields.value("input");
    const size = sizeOf(fields, READS_PARTS);
    const textBytes = Math.min(utf8Bytes(input), size.textBytes);
    return { ...NO_MEASURE, textBytes, size, count: Math.max(1, asArray(input).length), pieces: { requests: 1 }, piecesGuess: { requests: 1 }, tokensGuess: readTokens(textBytes, size) };
  },
  read({ json }) {
    const wrong = wrongObject(json);
    if (wrong !== null) return wrong;
    if (asArray(member(json, "results")).length === 0) return problem("empty", "the answer holds no results");
    const usage = member(json, "usage");
    return { kind: "answer", pieces: { requests: 1 }, tokens: units({ input: asNumber(member(usage, "prompt_tokens")) ?? asNumber(member(usage, "total_tokens")) }), raw: usage ?? null };
  },
};

/** One search is a query with up to a hundred documents. */
const DOCUMENTS_PER_SEARCH = 100;
/** A document that is longer together with the query, in tokens, counts as several. */
const TOKENS_PER_DOCUMENT = 500;

/** As many searches as can be billed: a token may be as little as a byte. */
function searchesAtMost(documents: readonly Json[], queryBytes: number): number {
  const room = Math.max(1, TOKENS_PER_DOCUMENT - queryBytes);
  const parts = documents.reduce<number>((sum, document) => sum + Math.max(1, Math.ceil(utf8Bytes(JSON.stringify(document)) / room)), 0);
  return Math.max(1, Math.ceil(parts / DOCUMENTS_PER_SEARCH));
}

function rerankIn(version: "v1" | "v2"): PassEndpoint {
  return {
    ...WHOLE,
    models: "other",
    path: (dialect, base) => (dialect === "cohere-v2" || dialect === "openai-chat" ? `${inVersion(base, version)}/rerank` : undefined),
    measure(fields) {
      const documents = asArray(fields.value("documents"));
      const query = utf8Bytes(fields.value("query"));
      const textBytes = documents.length * query + utf8Bytes(documents);
      const searches = Math.max(1, Math.ceil(documents.length / DOCUMENTS_PER_SEARCH));
      return {
        ...NO_MEASURE,
        textBytes,
        size: sizeOf(fields, READS_DOCUMENTS),
        repeatedBytes: query * Math.max(0, documents.length - 1),
        count: documents.length,
        pieces: { searches: searchesAtMost(documents, query) },
        piecesGuess: { searches },
        tokensGuess: { input: tokensOf(textBytes) },
      };
    },
    read({ json, measure }) {
      const wrong = wrongObject(json);
      if (wrong !== null) return wrong;
      const results = member(json, "results") ?? member(json, "data");
      if (!Array.isArray(results)) return problem("malformed", "the answer holds no list of results");
      if (results.length === 0 && measure.count > 0) return problem("empty", "the answer holds no results");
      const billed = member(member(json, "meta"), "billed_units");
      const usage = member(json, "usage");
      return {
        kind: "answer",
        pieces: units({ searches: asNumber(member(billed, "search_units")) }),
        tokens: units({ input: asNumber(member(billed, "input_tokens")) ?? asNumber(member(usage, "total_tokens")) ?? asNumber(member(usage, "prompt_tokens")) }),
        raw: billed ?? usage ?? null,
      };
    },
  };
}

export const rerank = rerankIn("v1");
export const rerankV2 = rerankIn("v2");

export const embedV2: PassEndpoint = {
  ...WHOLE,
  models: "embeddings",
  path: (dialect, base) => (dialect === "cohere-v2" ? `${base}/embed` : undefined),
  measure(fields) {
    const inputs = asArray(fields.value("inputs"));
    const texts = asArray(fields.value("texts"));
    const size = sizeOf(fields, READS_PARTS);
    const images = size.imageCount;
    const textBytes = utf8Bytes(texts) + textBytesIn(inputs);
    return {
      ...NO_MEASURE,
      textBytes,
      size,
      count: texts.length + asArray(fields.value("images")).length + inputs.length,
      // What is no image by its type is not known to be counted as one.
      pieces: size.unsizedCount > 0 ? null : images > 0 ? { images } : {},
      piecesGuess: images > 0 ? { images } : {},
      tokensGuess: readTokens(textBytes, size),
    };
  },
  read({ json, measure }) {
    const wrong = wrongObject(json);
    if (wrong !== null) return wrong;
    const vectors = member(json, "embeddings");
    const lists = Array.isArray(vectors) ? [vectors as readonly Json[]] : isObject(vectors) ? Object.values(vectors).filter(Array.isArray) as (readonly Json[])[] : [];
    const counted = countProblem(lists.map((list) => list.length), measure.count);
    if (counted !== null) return counted;
    const billed = member(member(json, "meta"), "billed_units");
    const images = asNumber(member(billed, "images"));
    return {
      kind: "answer",
      pieces: images === undefined && measure.piecesGuess.images !== undefined ? null : (units({ images }) ?? {}),
      tokens: units({ input: asNumber(member(billed, "input_tokens")), image_input: asNumber(member(billed, "image_tokens")) }),
      raw: billed ?? null,
    };
  },
};

function textBytesIn(inputs: readonly Json[]): number {
  return inputs.reduce<number>((sum, input) => sum + asArray(member(input, "content")).reduce<number>((bytes, part) => bytes + utf8Bytes(member(part, "text")), 0), 0);
}

const gemini = (verb: string): PassEndpoint["path"] => (dialect: DialectId, base: string, upstream: string) => (dialect === "gemini" ? `${base}/models/${encodeURIComponent(upstream)}:${verb}` : undefined);
const textOf = (content: Json | undefined): number => asArray(member(content, "parts")).reduce<number>((bytes, part) => bytes + utf8Bytes(member(part, "text")), 0);

function readVectors(lists: readonly number[], { json, measure }: PassRead): PassAnswer {
  const counted = countProblem(lists, measure.count);
  if (counted !== null) return counted;
  const usage = member(json, "usageMetadata");
  return { kind: "answer", pieces: {}, tokens: units({ input: asNumber(member(usage, "promptTokenCount")) }), raw: usage ?? null };
}

/** The body may name the model once more, as a resource. */
const RESOURCE = (upstream: string): string => `models/${upstream}`;

export const embedContent: PassEndpoint = {
  ...WHOLE,
  models: "embeddings",
  modelText: RESOURCE,
  path: gemini("embedContent"),
  measure(fields) {
    const textBytes = textOf(fields.value("content"));
    const size = sizeOf(fields, READS_PARTS);
    return { ...NO_MEASURE, textBytes, size, tokensGuess: readTokens(textBytes, size) };
  },
  read(answer) {
    const wrong = wrongObject(answer.json);
    if (wrong !== null) return wrong;
    return readVectors([asArray(member(member(answer.json, "embedding"), "values")).length > 0 ? 1 : 0], answer);
  },
};

export const batchEmbedContents: PassEndpoint = {
  ...WHOLE,
  models: "embeddings",
  modelText: RESOURCE,
  modelsIn: "requests",
  path: gemini("batchEmbedContents"),
  measure(fields) {
    const requests = asArray(fields.value("requests"));
    const textBytes = requests.reduce<number>((bytes, request) => bytes + textOf(member(request, "content")), 0);
    const size = sizeOf(fields, READS_PARTS);
    return { ...NO_MEASURE, textBytes, size, count: requests.length, tokensGuess: readTokens(textBytes, size) };
  },
  read(answer) {
    const wrong = wrongObject(answer.json);
    if (wrong !== null) return wrong;
    return readVectors([asArray(member(answer.json, "embeddings")).length], answer);
  },
};

/** As many vectors as inputs, in every list of them, or it is no answer. */
function countProblem(lengths: readonly number[], wanted: number): PassAnswer | null {
  const most = Math.max(0, ...lengths);
  if (most === 0 && wanted > 0) return problem("empty", "the answer holds no vectors");
  const wrong = lengths.find((length) => length !== wanted);
  return wrong === undefined ? null : problem("truncated", `${wrong} vectors for ${wanted} inputs`);
}
