import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Json, JsonObject } from "../../../wire/json.ts";
import type { PassName } from "../../../wire/surfaces.ts";
import type { PassAnswer, PassFields, PassMeasure } from "./endpoint.ts";
import { PASS_ENDPOINTS } from "./index.ts";
import { secondsOf } from "./media.ts";
import { MediaDecoder } from "./stream.ts";

const fields = (body: JsonObject, file?: Uint8Array): PassFields => ({
  value: (name) => body[name], root: body, textBytes: JSON.stringify(body).length, fileCount: file === undefined ? 0 : 1, fileBytes: file?.length ?? 0, firstFile: file,
});
const measure = (name: PassName, body: JsonObject, file?: Uint8Array): PassMeasure => PASS_ENDPOINTS[name].measure(fields(body, file));
const read = (name: PassName, body: JsonObject, json: Json | undefined, text = ""): PassAnswer => PASS_ENDPOINTS[name].read({ json, text, measure: measure(name, body) });
const counted = (answer: PassAnswer) => (answer.kind === "answer" ? { pieces: answer.pieces, tokens: answer.tokens } : answer.class);

/** 16,000 bytes a second. */
function wav(seconds: number): Uint8Array {
  const bytes = new Uint8Array(44 + (seconds - 1) * 16_000);
  bytes.set(new TextEncoder().encode("RIFF....WAVEfmt "));
  new DataView(bytes.buffer).setUint32(28, 16_000, true);
  return bytes;
}

describe("what a request is counted by", () => {
  it("images: as many as are asked, also where a form says so in text; what the price depends on is named", () => {
    assert.deepEqual(measure("image-generations", { prompt: "a cat" }).pieces, { images: 1 });
    const asked = measure("image-edits", { n: "3", quality: "high", size: "1024x1024" });
    assert.deepEqual([asked.pieces, asked.count, asked.unbounded], [{ images: 3 }, 3, ["quality", "size"]]);
    for (const n of [0, -1, 1.5, "x", null]) assert.deepEqual(measure("image-generations", { n }).pieces, { images: 1 }, String(n));
  });

  it("speech: characters, not bytes nor halves of them", () => {
    assert.deepEqual(measure("audio-speech", { input: "wörld 😀" }).pieces, { characters: 7 });
  });

  it("transcripts: seconds by a WAV's own header, else guessed on the dear side, never told as certain", () => {
    assert.deepEqual([secondsOf(wav(3), wav(3).length), secondsOf(new Uint8Array(4_001), 4_001), secondsOf(undefined, 0)], [3, 3, 1]);
    assert.equal(measure("audio-transcriptions", {}, new Uint8Array(4_001)).pieces, null);
  });

  it("reranking: a search for every hundred documents", () => {
    assert.deepEqual([1, 100, 101].map((count) => measure("rerank", { query: "q", documents: Array.from({ length: count }, () => "d") }).piecesGuess), [{ searches: 1 }, { searches: 1 }, { searches: 2 }]);
  });

  it("text is measured wherever a protocol puts it", () => {
    assert.deepEqual(
      [
        measure("moderations", { input: ["ab", { type: "text", text: "cd" }] }).textBytes,
        measure("embed-v2", { texts: ["abc"], inputs: [{ content: [{ type: "text", text: "de" }, { type: "image_url", image_url: { url: "x" } }] }] }).textBytes,
        measure("embed-content", { content: { parts: [{ text: "abcd" }] } }).textBytes,
        measure("batch-embed-contents", { requests: [{ content: { parts: [{ text: "ab" }] } }, { content: { parts: [{ text: "c" }] } }] }).textBytes,
      ],
      [8, 5, 4, 3],
    );
  });

  it("how the answer comes is asked in each endpoint's own way", () => {
    assert.deepEqual(
      [measure("image-generations", { stream: true }), measure("audio-transcriptions", { stream: "true" }), measure("audio-speech", { stream_format: "sse" }), measure("audio-speech", {}), measure("rerank", { stream: true })].map((one) => one.stream),
      ["events", "events", "events", "bytes", "no"],
    );
  });
});

describe("what an answer tells", () => {
  it("images: how many came, and tokens split by what they are", () => {
    const usage = { input_tokens: 50, input_tokens_details: { text_tokens: 10, image_tokens: 40 }, output_tokens: 272, output_tokens_details: { text_tokens: 2, image_tokens: 270 } };
    assert.deepEqual(counted(read("image-generations", { n: 3 }, { data: [{}, {}], usage })), { pieces: { images: 2 }, tokens: { input: 10, image_input: 40, output: 2, image_output: 270 } });
    assert.deepEqual(counted(read("image-generations", {}, { data: [{}] })), { pieces: { images: 1 }, tokens: null });
    assert.equal(counted(read("image-generations", {}, { data: [] })), "empty");
  });

  it("transcripts: seconds or tokens, from the usage, the duration, or the last caption", () => {
    const tokens = { type: "tokens", input_tokens: 14, input_token_details: { text_tokens: 4, audio_tokens: 10 }, output_tokens: 45 };
    assert.deepEqual(counted(read("audio-transcriptions", {}, { text: "hi", usage: { type: "duration", seconds: 3 } })), { pieces: { seconds: 3 }, tokens: null });
    assert.deepEqual(counted(read("audio-transcriptions", {}, { text: "", usage: tokens })), { pieces: null, tokens: { input: 4, audio_input: 10, output: 45 } });
    assert.deepEqual(counted(read("audio-transcriptions", {}, { text: "hi", duration: 3.25 })), { pieces: { seconds: 3.25 }, tokens: null });
    assert.deepEqual(counted(read("audio-transcriptions", {}, undefined, "1\n00:00:00,000 --> 01:02:03,500\nhi\n")), { pieces: { seconds: 3_723.5 }, tokens: null });
    assert.deepEqual(counted(read("audio-transcriptions", {}, undefined, "WEBVTT\n\n00:01.000 --> 00:04.000\nhi\n")), { pieces: { seconds: 4 }, tokens: null });
    assert.deepEqual(counted(read("audio-transcriptions", {}, undefined, "hi")), { pieces: null, tokens: null });
    assert.equal(counted(read("audio-transcriptions", {}, { x: 1 })), "empty");
  });

  it("reranking: searches or tokens, under either name for the results", () => {
    const body = { query: "q", documents: ["a"] };
    assert.deepEqual(counted(read("rerank-v2", body, { results: [{}], meta: { billed_units: { search_units: 2 } } })), { pieces: { searches: 2 }, tokens: null });
    assert.deepEqual(counted(read("rerank", body, { data: [{}], usage: { total_tokens: 9 } })), { pieces: null, tokens: { input: 9 } });
    assert.equal(counted(read("rerank", body, { results: [] })), "empty");
    assert.equal(counted(read("rerank", body, { object: "list" })), "malformed");
  });

  it("embeddings: as many vectors as inputs in every list, or it is no answer", () => {
    const meta = { billed_units: { input_tokens: 4, images: 1 } };
    assert.deepEqual(counted(read("embed-v2", { texts: ["a", "b"] }, { embeddings: { float: [[1], [2]], int8: [[1], [2]] }, meta })), { pieces: { images: 1 }, tokens: { input: 4 } });
    assert.equal(counted(read("embed-v2", { texts: ["a", "b"] }, { embeddings: { float: [[1], [2]], int8: [[1]] } })), "truncated");
    assert.equal(counted(read("embed-v2", { texts: ["a"] }, { embeddings: {} })), "empty");
    assert.deepEqual(counted(read("embed-content", { content: {} }, { embedding: { values: [1] }, usageMetadata: { promptTokenCount: 7 } })), { pieces: {}, tokens: { input: 7 } });
    assert.equal(counted(read("embed-content", {}, { embedding: { values: [] } })), "empty");
    assert.equal(counted(read("batch-embed-contents", { requests: [{}, {}] }, { embeddings: [{ values: [1] }] })), "truncated");
  });

  it("an error told inside a 200 is none, whichever endpoint", () => {
    for (const name of Object.keys(PASS_ENDPOINTS) as PassName[]) {
      if (name === "audio-speech") continue;
      assert.equal(counted(read(name, {}, { error: { message: "no" }, data: [{}], results: [{}], text: "x" })), "server", name);
      assert.equal(counted(read(name, {}, [])), "malformed", name);
    }
  });
});

describe("where an endpoint is served", () => {
  const rows: readonly (readonly [PassName, string, string | undefined, string | undefined, string | undefined])[] = [
    ["moderations", "/v1", "/v1/moderations", undefined, undefined],
    ["audio-speech", "/openai/v1", "/openai/v1/audio/speech", undefined, undefined],
    ["rerank", "/v2", "/v1/rerank", undefined, "/v1/rerank"],
    ["rerank-v2", "/v1", "/v2/rerank", undefined, "/v2/rerank"],
    ["embed-v2", "/v2", undefined, undefined, "/v2/embed"],
    ["embed-content", "/v1beta", undefined, "/v1beta/models/a%2Fb:embedContent", undefined],
    ["batch-embed-contents", "/v1beta", undefined, "/v1beta/models/a%2Fb:batchEmbedContents", undefined],
  ];
  for (const [name, base, chat, google, third] of rows) {
    it(`${name} below ${base}`, () => {
      const { path } = PASS_ENDPOINTS[name];
      assert.deepEqual([path("openai-chat", base, "a/b"), path("gemini", base, "a/b"), path("cohere-v2", base, "a/b"), path("anthropic-messages", base, "a/b")], [chat, google, third, undefined]);
    });
  }
});

describe("a stream of media", () => {
  const decode = (name: PassName, body: JsonObject, ...events: readonly string[]) => {
    const decoder = new MediaDecoder(PASS_ENDPOINTS[name], measure(name, body), (answer) => ({ units: answer.tokens ?? answer.pieces ?? {}, raw: null }));
    return events.flatMap((data) => decoder.push({ event: "", data }).map((event) => (event.kind === "usage" ? JSON.stringify(event.usage.units) : event.kind === "error" ? event.error.class : "choice" in event ? `${event.kind}${event.choice}` : event.kind)));
  };

  it("shows parts, and is whole when the last event of each image has come", () => {
    assert.deepEqual(
      decode("image-generations", { n: 2, stream: true }, '{"type":"image_generation.partial_image"}', '{"type":"image_generation.completed","usage":{"output_tokens":5}}', '{"type":"image_generation.completed"}', "[DONE]"),
      ["text0", "text0", '{"image_output":5}', "finish0", "text1", '{"images":2}', "finish1", "end"],
    );
  });

  it("ends with the failure that it tells, or that it is", () => {
    assert.deepEqual(decode("audio-transcriptions", {}, '{"type":"error","message":"no"}'), ["server"]);
    assert.deepEqual(decode("audio-transcriptions", {}, '{"error":{"message":"no"}}'), ["server"]);
    assert.deepEqual(decode("audio-transcriptions", {}, '{"type":'), ["malformed"]);
  });
});
