/** Moderations, images, audio and reranking as an OpenAI-like host serves them. */
import { asArray, asCount, asObject, asText, countInput, textBytes, type Body, type Json } from "../ask.ts";
import { json, seconds, type Made, type MadeName, type MadeRequest, type Pieces } from "../made.ts";
import { hashText } from "../random.ts";
import type { Envelope } from "./dialect.ts";

/** One black pixel. */
const PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII=";
const IMAGE_TOKENS = 272;
const AUDIO_TYPES: Readonly<Record<string, string>> = { mp3: "audio/mpeg", opus: "audio/ogg", aac: "audio/aac", flac: "audio/flac", wav: "audio/wav", pcm: "audio/pcm" };
/** Of speech, for each character. */
const AUDIO_BYTES = 160;

/** The answer, or a sentence that says what is wrong. */
export function makeOpenai(name: MadeName, request: MadeRequest, envelope: Envelope): Made | string {
  switch (name) {
    case "moderations": return moderate(request, envelope);
    case "images/generations": case "images/edits": case "images/variations": return draw(name, request, envelope);
    case "audio/speech": return speak(request);
    case "audio/transcriptions": case "audio/translations": return hear(name, request);
    case "rerank": return rerank(request, envelope);
    default: return `${name} is not served here`;
  }
}

function moderate({ body }: MadeRequest, envelope: Envelope): Made | string {
  const input = body["input"];
  if (input === undefined) return "Missing required parameter: 'input'.";
  const texts = Array.isArray(input) && input.every((item) => typeof item === "string") ? (input as readonly Json[]) : [input];
  const results = texts.map((text) => {
    const hate = textOf(text).includes("hate");
    return { flagged: hate, categories: { hate, violence: false }, category_scores: { hate: hate ? 0.98 : 0.01, violence: 0.01 }, category_applied_input_types: { hate: ["text"], violence: ["text"] } };
  });
  return { ...json({ id: `modr-${envelope.id}`, model: envelope.model, results: envelope.empty ? [] : results }), pieces: { requests: 1 }, inputTokens: 0, outputTokens: 0 };
}

function draw(name: "images/generations" | "images/edits" | "images/variations", { body, files, prices }: MadeRequest, envelope: Envelope): Made | string {
  if (name === "images/generations" && !asText(body["prompt"])) return "Missing required parameter: 'prompt'.";
  if (name !== "images/generations" && files.length === 0) return "Missing required parameter: 'image'.";
  const count = asCount(Number(body["n"] ?? 1)) ?? 1;
  const pieces: Pieces = prices("images") ? { images: count } : {};
  const text = countInput([body["prompt"]], undefined);
  const image = 100 * files.length;
  const tokens = prices("images") ? { inputTokens: 0, outputTokens: 0 } : { inputTokens: text + image, outputTokens: IMAGE_TOKENS * count };
  const usage = {
    input_tokens: text + image, input_tokens_details: { text_tokens: text, image_tokens: image },
    output_tokens: IMAGE_TOKENS * count, total_tokens: text + image + IMAGE_TOKENS * count,
  };
  const told = prices("images") || envelope.usage === "missing" ? {} : { usage };
  const type = name === "images/edits" ? "image_edit" : "image_generation";
  const base = { b64_json: PNG, background: "opaque", created_at: envelope.created, output_format: "png", quality: "low", size: "1024x1024" };
  const events = body["stream"] === true || body["stream"] === "true"
    ? [{ type: `${type}.partial_image`, partial_image_index: 0, ...base }, ...Array.from({ length: count }, () => ({ type: `${type}.completed`, ...base, ...told }))]
    : undefined;
  return {
    ...json({ created: envelope.created, data: envelope.empty ? [] : Array.from({ length: count }, () => ({ b64_json: PNG })), ...told }),
    pieces, ...tokens, ...(events === undefined ? {} : { events }),
  };
}

function speak({ body, prices }: MadeRequest): Made | string {
  const input = asText(body["input"]);
  if (!input) return "Missing required parameter: 'input'.";
  if (!asText(body["voice"]) && !body["voice"]) return "Missing required parameter: 'voice'.";
  const characters = Array.from(input).length;
  const audio = noise(input, characters * AUDIO_BYTES);
  const byPiece = prices("characters");
  const tokens = { input_tokens: countInput([input], undefined), output_tokens: characters };
  const half = Math.floor(audio.length / 2);
  const events = body["stream_format"] === "sse"
    ? [
        ...[audio.subarray(0, half), audio.subarray(half)].map((part) => ({ type: "speech.audio.delta", audio: part.toString("base64") })),
        { type: "speech.audio.done", usage: { ...tokens, total_tokens: tokens.input_tokens + tokens.output_tokens } },
      ]
    : undefined;
  return {
    type: AUDIO_TYPES[asText(body["response_format"]) ?? "mp3"] ?? "application/octet-stream",
    data: audio,
    pieces: byPiece ? { characters } : {},
    inputTokens: byPiece ? 0 : tokens.input_tokens,
    outputTokens: byPiece ? 0 : tokens.output_tokens,
    ...(events === undefined ? {} : { events }),
  };
}

/** Bytes of every value: the same text sounds the same. */
function noise(text: string, length: number): Buffer {
  const seed = hashText(text);
  return Buffer.from(Uint8Array.from({ length }, (_, i) => (Math.imul(seed ^ i, 0x9e3779b1) >>> 11) & 255));
}

function hear(name: "audio/transcriptions" | "audio/translations", { body, files, prices }: MadeRequest): Made | string {
  const file = files.find((one) => one.name === "file");
  if (file === undefined) return "Missing required parameter: 'file'.";
  const heard = seconds(file.bytes);
  const text = `${name === "audio/translations" ? "translated" : "heard"} ${file.bytes.length} bytes of ${file.filename}`;
  const byPiece = prices("seconds");
  const audioTokens = heard * 10;
  const words = text.split(" ").length;
  const usage = byPiece
    ? { type: "duration", seconds: heard }
    : { type: "tokens", input_tokens: audioTokens, input_token_details: { text_tokens: 0, audio_tokens: audioTokens }, output_tokens: words, total_tokens: audioTokens + words };
  const pieces: Pieces = byPiece ? { seconds: heard } : {};
  const counted = { pieces, inputTokens: byPiece ? 0 : audioTokens, outputTokens: byPiece ? 0 : words };
  const end = `00:00:${String(heard % 60).padStart(2, "0")}`;
  switch (asText(body["response_format"])) {
    case "text": return { type: "text/plain; charset=utf-8", data: `${text}\n`, ...counted };
    case "srt": return { type: "text/plain; charset=utf-8", data: `1\n00:00:00,000 --> ${end},000\n${text}\n\n`, ...counted };
    case "vtt": return { type: "text/plain; charset=utf-8", data: `WEBVTT\n\n00:00:00.000 --> ${end}.000\n${text}\n\n`, ...counted };
    case "verbose_json": return { ...json({ task: "transcribe", language: "english", duration: heard, text, segments: [], usage }), ...counted };
    default: break;
  }
  const events = body["stream"] === "true"
    ? [...text.split(" ").map((word) => ({ type: "transcript.text.delta", delta: `${word} ` })), { type: "transcript.text.done", text, usage }]
    : undefined;
  return { ...json({ text, usage }), ...counted, ...(events === undefined ? {} : { events }) };
}

/** As hosts of open rerankers answer; by searches where the model is priced so. */
function rerank({ body, prices }: MadeRequest, envelope: Envelope): Made | string {
  const ranked = rank(body);
  if (typeof ranked === "string") return ranked;
  // The query is read anew with each document.
  const tokens = countInput([body["documents"], ...asArray(body["documents"]).map(() => body["query"])], undefined);
  const searches = Math.max(1, Math.ceil(asArray(body["documents"]).length / 100));
  const byPiece = prices("searches");
  const told = byPiece ? { meta: { billed_units: { search_units: searches } } } : { usage: { total_tokens: tokens } };
  return { ...json({ id: `rerank-${envelope.id}`, model: envelope.model, results: envelope.empty ? [] : ranked, ...told }), pieces: byPiece ? { searches } : {}, inputTokens: byPiece ? 0 : tokens, outputTokens: 0 };
}

/** Documents by how many of the query's words they have. */
export function rank(body: Body): { index: number; relevance_score: number }[] | string {
  const query = asText(body["query"]);
  const documents = asArray(body["documents"]);
  if (!query) return "invalid request: query must not be empty";
  if (documents.length === 0) return "invalid request: list of documents must not be empty";
  const words = query.toLowerCase().split(/\W+/);
  const results = documents.map((document, index) => {
    const text = textOf(document).toLowerCase();
    return { index, relevance_score: words.filter((word) => text.includes(word)).length / words.length };
  });
  return results.toSorted((a, b) => b.relevance_score - a.relevance_score || a.index - b.index).slice(0, asCount(body["top_n"]) ?? results.length);
}

function textOf(value: Json): string {
  return typeof value === "string" ? value : (asText(asObject(value)["text"]) ?? (textBytes(value) > 0 ? JSON.stringify(value) : ""));
}
