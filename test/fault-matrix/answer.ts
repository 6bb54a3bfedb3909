/** Judges an answer twice: by the bytes on the wire, and by what the SDK made of them. */
import type { Seen, Told, Wire } from "./client.ts";
import { ANSWER_WORDS, type Form } from "./faults.ts";

type Json = Readonly<Record<string, unknown>>;

/** `complete`, `typed error` (`without content`), `client's error`, or what is wrong in words. Both readings must agree. */
export function judgeAnswer(form: Form, seen: Seen): string {
  if (seen.judged !== undefined) return seen.judged.answer;
  const byWire = form === "stream" && seen.wire.status === 200 ? streamOnWire(seen.wire) : bodyOnWire(seen.wire);
  const bySdk = toldBySdk(form, seen.told);
  if (byWire !== bySdk) return `the wire says ${byWire}, the SDK ${bySdk}`;
  const text = form === "stream" && seen.wire.status === 200 ? wordsOf(seen.wire) : seen.told.text;
  return text === seen.told.text ? byWire : "the SDK's text is not the wire's";
}

/** Words of content that the client was shown. */
export function wordsShown(seen: Seen): number {
  return seen.judged?.words ?? countWords(seen.told.text);
}

function streamOnWire(wire: Wire): string {
  if (wire.end !== "clean") return wire.end === "hang" ? "hang" : "connection lost";
  if (wire.header("content-type")?.startsWith("text/event-stream") !== true) return "no event stream";
  const frames = framesOf(wire);
  const last = frames.at(-1);
  if (last === undefined) return "silence";
  const dones = frames.filter((frame) => frame === "[DONE]").length;
  const chunks = frames.filter((frame) => frame !== "[DONE]").map((frame) => JSON.parse(frame) as Json);
  const errors = chunks.filter((chunk) => chunk["error"] !== undefined);
  const finishes = chunks.filter((chunk) => choiceOf(chunk)["finish_reason"] != null);
  const words = countWords(wordsOf(wire));
  if (errors.length > 0) {
    if (dones > 0) return "an error with [DONE]";
    if (finishes.length > 0) return "an error with a finish reason";
    if (errors.length > 1 || chunks.at(-1) !== errors[0]) return "something after the error";
    if (!isTyped(errors[0]?.["error"])) return "an untyped error";
    return words > 0 ? "typed error" : "typed error without content";
  }
  if (dones !== 1 || last !== "[DONE]") return dones === 0 ? "silence after a part" : "[DONE] is not the end";
  if (finishes.length !== 1) return `${finishes.length} finish reasons`;
  if (choiceOf(finishes[0] as Json)["finish_reason"] !== "stop") return "another finish reason";
  return words === ANSWER_WORDS ? "complete" : `${words} of ${ANSWER_WORDS} words passed off as whole`;
}

function bodyOnWire(wire: Wire): string {
  if (wire.end !== "clean") return wire.end === "hang" ? "hang" : "connection lost";
  let body: Json;
  try {
    body = JSON.parse(wire.text) as Json;
  } catch {
    return "a body that is not JSON";
  }
  if (wire.status !== 200) {
    if (!isTyped(body["error"])) return "an untyped error";
    return wire.status < 500 ? "client's error" : "gateway's error";
  }
  if (body["error"] !== undefined) return "an error with status 200";
  const choice = choiceOf(body);
  const words = countWords(contentOf(choice["message"]));
  if (choice["finish_reason"] !== "stop") return "no finish reason";
  return words === ANSWER_WORDS ? "complete" : `${words} of ${ANSWER_WORDS} words passed off as whole`;
}

function toldBySdk(form: Form, told: Told): string {
  const words = countWords(told.text);
  if (told.error === null) {
    if (told.finishReason !== "stop") return "silence after a part";
    return words === ANSWER_WORDS ? "complete" : `${words} of ${ANSWER_WORDS} words passed off as whole`;
  }
  if (!told.error.api) return told.error.message;
  if (told.error.type === null || told.error.code === null || told.error.message === "") return "an untyped error";
  if (told.error.status !== null) return told.error.status < 500 ? "client's error" : "gateway's error";
  if (told.finishReason !== null) return "an error with a finish reason";
  if (form === "json") return "an error without a status";
  return words > 0 ? "typed error" : "typed error without content";
}

/** Payloads of the frames, in order; a frame that is not closed by a blank line counts as none. */
function framesOf(wire: Wire): readonly string[] {
  return wire.text
    .split(/\r?\n\r?\n/)
    .slice(0, -1)
    .flatMap((frame) => frame.split(/\r?\n/).filter((line) => line.startsWith("data:")))
    .map((line) => line.slice("data:".length).trim());
}

function wordsOf(wire: Wire): string {
  return framesOf(wire)
    .filter((frame) => frame !== "[DONE]")
    .map((frame) => contentOf(choiceOf(JSON.parse(frame) as Json)["delta"]))
    .join("");
}

function choiceOf(body: Json): Json {
  const choices = body["choices"];
  return Array.isArray(choices) ? ((choices[0] as Json | undefined) ?? {}) : {};
}

function contentOf(message: unknown): string {
  const content = (message as Json | undefined)?.["content"];
  return typeof content === "string" ? content : "";
}

function isTyped(error: unknown): boolean {
  if (typeof error !== "object" || error === null) return false;
  const { message, type, code } = error as Json;
  return [message, type, code].every((field) => typeof field === "string" && field !== "");
}

function countWords(text: string): number {
  return text.split(/\s+/).filter((word) => word !== "").length;
}
