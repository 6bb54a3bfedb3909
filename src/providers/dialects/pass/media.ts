/** Images and audio: billed by the piece, the second, the character or by tokens, as the model has it. */
import { toBase64 } from "../../../wire/base64.ts";
import { asArray, asNumber, asString, isObject, member, type JsonObject } from "../../../wire/json.ts";
import type { UnitCounts } from "../../../wire/usage.ts";
import {
  countOf, isTrue, mediaTokens, NO_MEASURE, readTokens, TOKENS_PER_IMAGE, wrongObject, openaiPath, present, problem, tokensOf, units, utf8Bytes,
  type PassAnswer, type PassEndpoint, type PassFields, type PassMeasure, type PassRead,
} from "./endpoint.ts";
import { READS_AUDIO, READS_IMAGES, READS_PARTS, sizeOf } from "./size.ts";

const JSON_ONLY = /json/i;
/**
 * The price depends on them, and one price per image does not say how; or they ask for more images, or another model, by a
 * host's own name for it.
 */
const IMAGE_FIELDS = [
  "quality", "size", "resolution", "complexity", "frame_count", "frame_duration_ms", "svg", "partial_images", "width", "height", "aspect_ratio", "image_size", "megapixels",
  "steps", "num_inference_steps", "num_images", "num_outputs", "batch_size", "samples", "max_images", "sequential_image_generation", "sequential_image_generation_options",
] as const;

function measureImages(fields: PassFields): PassMeasure {
  const count = countOf(fields.value("n"));
  const textBytes = utf8Bytes(fields.value("prompt"));
  const size = sizeOf(fields, READS_IMAGES);
  return {
    ...NO_MEASURE,
    textBytes,
    size,
    count,
    answers: count,
    pieces: { images: count },
    piecesGuess: { images: count },
    tokensGuess: { ...readTokens(textBytes, size), image_output: count * TOKENS_PER_IMAGE },
    stream: isTrue(fields.value("stream")) ? "events" : "no",
    unbounded: present(fields, IMAGE_FIELDS),
  };
}

function readImages({ json, measure }: PassRead): PassAnswer {
  const wrong = wrongObject(json);
  if (wrong !== null) return wrong;
  const usage = member(json, "usage");
  const tokens = mediaTokens(usage, "image_output");
  const type = asString(member(json, "type"));
  // The last event of an image tells what all of them cost.
  if (type !== undefined) return { kind: "answer", pieces: measure.pieces, tokens, raw: usage ?? null };
  const images = asArray(member(json, "data")).length;
  if (images === 0) return problem("empty", "the answer holds no images");
  return { kind: "answer", pieces: { images }, tokens, raw: usage ?? null };
}

/** What each event of an image tells of all of them. */
const IMAGE_EVENT_FIELDS = ["background", "output_format", "quality", "size"] as const;

/** An event for each image, of which the last tells what all of them cost. */
function imageEvents(type: string, { json }: PassRead): readonly JsonObject[] {
  if (!isObject(json)) return [];
  const { created, usage } = json;
  const about = Object.fromEntries(IMAGE_EVENT_FIELDS.flatMap((name) => (json[name] === undefined ? [] : [[name, json[name]]])));
  const all = asArray(json["data"]).filter(isObject);
  return all.map((image, i) => ({ type, ...image, ...(created === undefined ? {} : { created_at: created }), ...about, ...(i === all.length - 1 && usage !== undefined ? { usage } : {}) }));
}

/** `streams`: the protocol has a stream of it. Elsewhere a field of that name is a host's own, and any answer is right. */
function images(tail: string, name: string, streams = true): PassEndpoint {
  return {
    ...(streams ? { asEvents: (answer: PassRead) => imageEvents(`${name}.completed`, answer) } : {}),
    models: "other",
    writesTokens: true,
    accept: "application/json",
    answers: JSON_ONLY,
    lastEvents: new Set([`${name}.completed`]),
    path: openaiPath(`/images/${tail}`),
    measure: streams ? measureImages : (fields) => askedLoosely(measureImages(fields)),
    read: readImages,
  };
}

export const imageGenerations = images("generations", "image_generation");
export const imageEdits = images("edits", "image_edit");
export const imageVariations = images("variations", "image_variation", false);

/** A stream that only some hosts know: the answer comes in one way or the other, and goes so. */
function askedLoosely(measure: PassMeasure): PassMeasure {
  return measure.stream === "events" ? { ...measure, stream: "bytes" } : measure;
}

/** Speech runs at some fifteen characters a second, and a model writes about twenty tokens for it. */
const AUDIO_TOKENS_PER_CHARACTER = 1.5;

export const audioSpeech: PassEndpoint = {
  models: "other",
  writesTokens: true,
  accept: "*/*",
  answers: /^(?:audio\/|application\/octet-stream|binary\/octet-stream)/i,
  bytes: { piece: (bytes) => ({ type: "speech.audio.delta", audio: toBase64(bytes) }), end: { type: "speech.audio.done" } },
  lastEvents: new Set(["speech.audio.done"]),
  path: openaiPath("/audio/speech"),
  measure(fields) {
    const input = asString(fields.value("input")) ?? "";
    const instructions = utf8Bytes(fields.value("instructions"));
    const characters = Array.from(input).length;
    const textBytes = utf8Bytes(input) + instructions;
    return {
      ...NO_MEASURE,
      textBytes,
      size: sizeOf(fields, READS_PARTS),
      // By another name for it, or in another form, it is not counted here.
      pieces: typeof fields.value("input") === "string" ? { characters } : null,
      piecesGuess: { characters },
      tokensGuess: { input: tokensOf(textBytes), audio_output: Math.ceil(characters * AUDIO_TOKENS_PER_CHARACTER) },
      stream: fields.value("stream_format") === "sse" ? "events" : "bytes",
    };
  },
  read({ json, measure }) {
    const usage = member(json, "usage");
    return { kind: "answer", pieces: measure.pieces, tokens: mediaTokens(usage, "audio_output"), raw: usage ?? null };
  },
};

/** Codecs for speech take some 4,000 bytes a second and more; half of that is a guess on the dear side. */
const BYTES_PER_SECOND = 2_000;
/** What a model of tokens makes of a second of audio, and about what is said in it. */
const AUDIO_TOKENS_PER_SECOND = 10;
const TEXT_TOKENS_PER_SECOND = 4;

function measureAudio(fields: PassFields): PassMeasure {
  const seconds = secondsOf(fields.firstFile, fields.fileBytes);
  const textBytes = utf8Bytes(fields.value("prompt"));
  const size = sizeOf(fields, READS_AUDIO);
  const most = fields.fileCount === 1 ? secondsAtMost(fields.firstFile) : null;
  return {
    ...NO_MEASURE,
    textBytes,
    // Its audio may also be named by an address of a host's own.
    size: { ...size, unsizedCount: Math.max(1, size.unsizedCount) },
    pieces: most === null || size.unsizedCount > 1 ? null : { seconds: most },
    piecesGuess: { seconds },
    tokensGuess: { input: tokensOf(textBytes), audio_input: Math.ceil(seconds * AUDIO_TOKENS_PER_SECOND), output: Math.ceil(seconds * TEXT_TOKENS_PER_SECOND) },
    stream: isTrue(fields.value("stream")) ? "events" : "no",
    // Longer audio is read in several windows.
    unbounded: present(fields, ["chunking_strategy"]),
  };
}

/** Hosts that bill seconds bill so many at least. */
const SECONDS_MIN = 10;

/**
 * As long as audio can be that is not compressed, by what its own header says of its samples; null where it is compressed
 * or something else, since silence takes next to no bytes then.
 */
export function secondsAtMost(file: Uint8Array | undefined): number | null {
  if (file === undefined || file.length < 44) return null;
  const at = (index: number): string => String.fromCharCode(...file.subarray(index, index + 4));
  if (at(0) !== "RIFF" || at(8) !== "WAVE" || at(12) !== "fmt ") return null;
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const format = view.getUint16(20, true);
  if (format !== 1 && format !== 3) return null;
  const bySamples = view.getUint32(24, true) * view.getUint16(22, true) * Math.ceil(view.getUint16(34, true) / 8);
  // Readers trust one field or the other.
  const bytesPerSecond = Math.min(bySamples, view.getUint32(28, true), view.getUint32(24, true) * view.getUint16(32, true));
  return bytesPerSecond === 0 ? null : Math.max(SECONDS_MIN, Math.ceil(file.length / bytesPerSecond));
}

/** Length of a WAV file by its header, else a guess by size. */
export function secondsOf(file: Uint8Array | undefined, fileBytes: number): number {
  const guess = Math.max(1, Math.ceil(fileBytes / BYTES_PER_SECOND));
  if (file === undefined || file.length < 44) return guess;
  const at = (index: number): string => String.fromCharCode(...file.subarray(index, index + 4));
  if (at(0) !== "RIFF" || at(8) !== "WAVE" || at(12) !== "fmt ") return guess;
  const bytesPerSecond = new DataView(file.buffer, file.byteOffset).getUint32(28, true);
  return bytesPerSecond === 0 ? guess : Math.max(1, Math.ceil(file.length / bytesPerSecond));
}

function readAudio({ json, text }: PassRead): PassAnswer {
  if (json === undefined) return { kind: "answer", pieces: captionSeconds(text), tokens: null, raw: null, guessed: true };
  const wrong = wrongObject(json);
  if (wrong !== null) return wrong;
  const usage = member(json, "usage");
  const hasText = asString(member(json, "text")) !== undefined || asArray(member(json, "segments")).length > 0;
  if (!hasText && asString(member(json, "type")) === undefined) return problem("empty", "the answer holds no text");
  const seconds = asNumber(member(usage, "seconds")) ?? asNumber(member(json, "duration"));
  return { kind: "answer", pieces: units({ seconds }), tokens: mediaTokens(usage, "output"), raw: usage ?? (seconds === undefined ? null : { duration: seconds }) };
}

/** The end of the last caption of an SRT or WebVTT text: not the length of the audio, but not far from it. */
function captionSeconds(text: string): UnitCounts | null {
  const last = [...text.matchAll(/--> (?:(\d+):)?(\d{2}):(\d{2})[.,](\d{3})/g)].at(-1);
  if (last === undefined) return null;
  const [, hours = "0", minutes = "0", seconds = "0", millis = "0"] = last;
  return units({ seconds: Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds) + Number(millis) / 1000 });
}

/** The whole of it is its last event, whatever else stands beside the text. */
function transcriptEvents({ json, text }: PassRead): readonly JsonObject[] {
  if (!isObject(json)) return [{ type: "transcript.text.done", text }];
  const said = asString(json["text"]) ?? asArray(json["segments"]).map((segment) => asString(member(segment, "text")) ?? "").join("");
  return [{ ...json, type: "transcript.text.done", text: said }];
}

/** `streams`: as for images. */
function transcripts(tail: string, streams: boolean): PassEndpoint {
  return {
    ...(streams ? { asEvents: transcriptEvents } : {}),
    models: "other",
    writesTokens: true,
    accept: "*/*",
    answers: /json|^text\/(?!html|event-stream)|^application\/x-subrip/i,
    lastEvents: new Set(["transcript.text.done"]),
    path: openaiPath(`/audio/${tail}`),
    measure: streams ? measureAudio : (fields) => askedLoosely(measureAudio(fields)),
    read: readAudio,
  };
}

export const audioTranscriptions = transcripts("transcriptions", true);
export const audioTranslations = transcripts("translations", false);
