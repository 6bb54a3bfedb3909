import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { JsonObject } from "../../../wire/json.ts";
import type { PassName } from "../../../wire/surfaces.ts";
import type { PassFields } from "./endpoint.ts";
import { PASS_ENDPOINTS } from "./index.ts";
import { secondsAtMost } from "./media.ts";

const BASE64 = "QUJD".repeat(500);
const PNG = `data:image/png;base64,${BASE64}`;
const SOUND = `data:audio/wav;base64,${BASE64}`;
const length = (body: JsonObject): number => new TextEncoder().encode(JSON.stringify(body)).length;
const fields = (body: JsonObject, files = 0): PassFields => ({ value: (name) => body[name], root: body, textBytes: length(body), fileCount: files, fileBytes: files * 100, firstFile: undefined });
const sized = (name: PassName, body: JsonObject, files = 0) => PASS_ENDPOINTS[name].measure(fields(body, files)).size;

/** [endpoint, what, body, images, things of unknown size, characters that are no text, files] */
const ROWS: readonly (readonly [PassName, string, JsonObject, number, number, number, number?])[] = [
  ["moderations", "a text", { input: "x" }, 0, 0, 0],
  ["moderations", "texts", { input: ["x", "y"] }, 0, 0, 0],
  ["moderations", "an image by data", { input: [{ type: "text", text: "x" }, { type: "image_url", image_url: { url: PNG } }] }, 1, 0, PNG.length],
  ["moderations", "an image by address", { input: [{ type: "image_url", image_url: { url: "https://x.example/a.png" } }] }, 1, 0, 0],
  ["moderations", "a part of another kind", { input: [{ type: "input_audio", input_audio: { data: BASE64, format: "wav" } }] }, 0, 1, BASE64.length],
  ["responses-compact", "messages, one of them with an image and a file", { input: [{ role: "user", content: "x" }, { role: "user", content: [{ type: "input_image", image_url: PNG }, { type: "input_file", file_id: "file-1" }] }, { type: "compaction", encrypted_content: BASE64 }] }, 1, 1, PNG.length],
  ["image-generations", "a prompt", { prompt: "x" }, 0, 0, 0],
  ["image-generations", "a picture to begin with, at hosts that take one", { prompt: "x", image: [PNG, "https://x.example/a.png"] }, 4, 0, PNG.length],
  ["image-edits", "images and a mask in a form", { prompt: "x" }, 4, 0, 0, 2],
  ["image-edits", "images in JSON", { prompt: "x", images: [{ image_url: PNG }, { file_id: "file-1" }], mask: { image_url: PNG } }, 6, 0, 2 * PNG.length],
  ["image-edits", "what is no image", { prompt: "x", images: [{ image_url: "data:application/pdf;base64,QQ==" }] }, 0, 1, 0],
  ["image-variations", "a file", {}, 2, 0, 0, 1],
  ["audio-speech", "a text", { input: "x", voice: { id: "voice_1" } }, 0, 0, 0],
  ["audio-speech", "a voice to be imitated", { input: "x", voice: SOUND }, 0, 1, SOUND.length],
  ["audio-transcriptions", "a file", {}, 0, 1, 0, 1],
  ["audio-transcriptions", "audio by address", { url: "https://x.example/a.mp3" }, 0, 1, 0],
  ["audio-transcriptions", "voices to know", { "known_speaker_references[]": [SOUND, SOUND] }, 0, 3, 2 * SOUND.length, 1],
  ["audio-translations", "a file", {}, 0, 1, 0, 1],
  ["rerank", "documents, whatever their fields are called", { query: "q", documents: ["a", { file: "b", title: "c" }] }, 0, 0, 0],
  ["rerank-v2", "documents that are images", { query: "q", documents: [{ image: PNG }] }, 1, 0, PNG.length],
  ["embed-v2", "texts", { texts: ["x"] }, 0, 0, 0],
  ["embed-v2", "images", { images: [PNG] }, 1, 0, PNG.length],
  ["embed-v2", "inputs of both", { inputs: [{ content: [{ type: "text", text: "x" }, { type: "image_url", image_url: { url: PNG } }] }] }, 1, 0, PNG.length],
  ["embed-content", "a text", { content: { parts: [{ text: "x" }] } }, 0, 0, 0],
  ["embed-content", "an image", { content: { parts: [{ inlineData: { mimeType: "image/png", data: BASE64 } }] } }, 1, 0, BASE64.length],
  ["embed-content", "an image in the other spelling", { content: { parts: [{ inline_data: { mime_type: "image/png", data: BASE64 } }] } }, 1, 0, BASE64.length],
  ["embed-content", "audio", { content: { parts: [{ inlineData: { mimeType: "audio/mp3", data: BASE64 } }] } }, 0, 1, BASE64.length],
  ["embed-content", "a document of no type", { content: { parts: [{ inlineData: { data: BASE64 } }] } }, 0, 1, BASE64.length],
  ["embed-content", "a file by address", { content: { parts: [{ fileData: { mimeType: "image/png", fileUri: "https://x.example/f" } }, { file_data: { file_uri: "y" } }] } }, 0, 2, 0],
  ["batch-embed-contents", "one of each", { requests: [{ content: { parts: [{ inlineData: { mimeType: "image/png", data: BASE64 } }] } }, { content: { parts: [{ fileData: { fileUri: "x" } }] } }] }, 1, 1, BASE64.length],
];

describe("how large a request can be at most", () => {
  for (const [name, what, body, images, unsized, data, files] of ROWS) {
    it(`${name}: ${what}`, () => {
      const size = sized(name, body, files);
      assert.deepEqual([size.imageCount, size.unsizedCount, size.textBytes], [images, unsized, length(body) - data]);
    });
  }

  it("every endpoint is in the table", () => {
    assert.deepEqual([...new Set(ROWS.map(([name]) => name))].sort(), Object.keys(PASS_ENDPOINTS).sort());
  });

  it("a field that nobody here knows counts with all of its text, in every endpoint", () => {
    const text = "a word or two ".repeat(100);
    for (const name of Object.keys(PASS_ENDPOINTS) as PassName[]) {
      const more = sized(name, { tomorrow: { deep: [{ text }] } }).textBytes - sized(name, {}).textBytes;
      assert.ok(more >= text.length, name);
    }
  });

  it("text in a field for images stays text, so that it cannot hide there", () => {
    const text = "a word, or two; ".repeat(100);
    assert.ok(sized("image-edits", { mask: text }).textBytes > text.length);
  });
});

describe("pieces at most", () => {
  const pieces = (name: PassName, body: JsonObject, files = 0) => PASS_ENDPOINTS[name].measure(fields(body, files)).pieces;

  it("images: as many as are asked; what asks for more by another name is named", () => {
    assert.deepEqual([pieces("image-generations", { n: 4 }), PASS_ENDPOINTS["image-generations"].measure(fields({ n: 4 })).answers], [{ images: 4 }, 4]);
    const body = { num_images: 3, frame_count: 2, svg: { model: "x" }, partial_images: 0, quality: null };
    assert.deepEqual(PASS_ENDPOINTS["image-generations"].measure(fields(body)).unbounded, ["frame_count", "svg", "partial_images", "num_images"]);
    assert.deepEqual(PASS_ENDPOINTS["image-edits"].measure(fields({ "svg[model]": ["x"] })).unbounded, ["svg"], "as forms write it");
  });

  it("characters: none are known where the text is no text", () => {
    assert.deepEqual([pieces("audio-speech", { input: "abc" }), pieces("audio-speech", { input: ["abc"] }), pieces("audio-speech", { text: "abc" })], [{ characters: 3 }, null, null]);
  });

  it("images embedded: as many as there are, unknown beside what may be one", () => {
    assert.deepEqual([pieces("embed-v2", { images: [PNG, PNG] }), pieces("embed-v2", { texts: ["x"] }), pieces("embed-v2", { inputs: [{ content: [{ type: "video_url", video_url: "x" }] }] })], [{ images: 2 }, {}, null]);
  });

  it("searches: long documents are several, the more so the longer the query", () => {
    const documents = Array.from({ length: 100 }, () => "d".repeat(98));
    assert.deepEqual(pieces("rerank", { query: "q", documents }), { searches: 1 });
    assert.deepEqual(pieces("rerank", { query: "q".repeat(450), documents }), { searches: 2 });
    assert.deepEqual(pieces("rerank-v2", { query: "q", documents: Array.from({ length: 101 }, () => "d".repeat(900)) }), { searches: 3 });
    assert.deepEqual(pieces("rerank", { query: "q".repeat(600), documents: ["d".repeat(198)] }), { searches: 2 });
  });

  it("seconds: of audio that is not compressed, by the samples and not by one field that may lie; else unknown", () => {
    const wav = (format: number, told: number): Uint8Array => {
      const file = new Uint8Array(44 + 16_000 * 20);
      file.set(new TextEncoder().encode("RIFF....WAVEfmt "));
      const view = new DataView(file.buffer);
      view.setUint16(20, format, true);
      view.setUint16(22, 1, true);
      view.setUint32(24, 8_000, true);
      view.setUint32(28, told, true);
      view.setUint16(32, 2, true);
      view.setUint16(34, 16, true);
      return file;
    };
    assert.deepEqual([secondsAtMost(wav(1, 16_000)), secondsAtMost(wav(1, 1_000_000)), secondsAtMost(wav(1, 8_000)), secondsAtMost(wav(1, 0)), secondsAtMost(wav(85, 16_000)), secondsAtMost(new Uint8Array(100))], [21, 21, 41, null, null, null]);
    assert.equal(secondsAtMost(wav(1, 16_000).subarray(0, 16_044)), 10, "no less than the least that is billed");
  });
});
