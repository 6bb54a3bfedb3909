/** A client that reads chat answers to their last byte and judges them by the protocol alone. It never asks twice. */
import { WORDS } from "../../src/fleet/answer.ts";
import { Agent, request, type IncomingMessage } from "node:http";

export interface Ask {
  readonly baseUrl: string;
  readonly model: string;
  readonly stream: boolean;
  /** Words of the answer. */
  readonly words: number;
  /** What is asked for; chat where absent. */
  readonly path?: "chat/completions" | "images/generations";
}

/**
 * complete: whole, with its finish reason and its end. refused: a typed error in place of an answer. broken: content, then the
 * typed error, and nothing after it. Everything else is `wrong`, with what is wrong of it.
 */
export type End = "complete" | "refused" | "broken" | "wrong";

export interface Seen {
  readonly ask: Ask;
  readonly end: End;
  /** Status and code, or what is wrong. */
  readonly detail: string;
  readonly requestId: string | null;
  readonly deployment: string | null;
  readonly startedMs: number;
  /** null: no content came. */
  readonly firstContentMs: number | null;
  readonly endedMs: number;
}

type Json = Readonly<Record<string, unknown>>;
type Verdict = Pick<Seen, "end" | "detail">;

const PATIENCE_MS = 90_000;

/** What is sent; told apart by its size alone. */
const QUESTION = "How high does the water stand behind the wall, and who watches it tonight?";

export class Client {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 4_096 });

  /** Ask once; never rejects. */
  async ask(ask: Ask): Promise<Seen> {
    const startedMs = performance.now();
    const facts = { ask, requestId: null, deployment: null, startedMs, firstContentMs: null };
    try {
      const response = await this.#send(ask);
      const read = await readAnswer(ask, response);
      const header = (name: string): string | null => (response.headers[name] as string | undefined) ?? null;
      return { ...facts, requestId: header("x-request-id"), deployment: header("x-spillway-deployment"), ...read, endedMs: performance.now() };
    } catch (error) {
      return { ...facts, end: "wrong", detail: error instanceof Error ? `connection: ${error.message}` : String(error), endedMs: performance.now() };
    }
  }

  close(): void {
    this.#agent.destroy();
  }

  #send(ask: Ask): Promise<IncomingMessage> {
    const path = ask.path ?? "chat/completions";
    const chat = { model: ask.model, messages: [{ role: "user", content: QUESTION }], max_tokens: 4 * ask.words, ...(ask.stream ? { stream: true } : {}) };
    const body = JSON.stringify(path === "chat/completions" ? chat : { model: ask.model, prompt: QUESTION, n: 1 });
    return new Promise((resolve, reject) => {
      const sent = request(`${ask.baseUrl}/${path}`, {
        method: "POST", agent: this.#agent, signal: AbortSignal.timeout(PATIENCE_MS),
        headers: { "content-type": "application/json", "content-length": Buffer.byteLength(body), authorization: "Bearer any" },
      }, resolve);
      sent.on("error", reject);
      sent.end(body);
    });
  }
}

async function readAnswer(ask: Ask, response: IncomingMessage): Promise<Verdict & Pick<Seen, "firstContentMs">> {
  const events: string[] = [];
  let text = "";
  let firstContentMs: number | null = null;
  response.setEncoding("utf8");
  for await (const piece of response as AsyncIterable<string>) {
    text += piece;
    if (!ask.stream || response.statusCode !== 200) continue;
    const frames = text.split("\n\n");
    text = frames.pop() ?? "";
    for (const frame of frames) if (!frame.startsWith(":")) events.push(frame);
    if (firstContentMs === null && events.some((frame) => wordOf(frame) !== "")) firstContentMs = performance.now();
  }
  if (!response.complete) return { end: "wrong", detail: "the connection was lost", firstContentMs };
  if (response.statusCode !== 200) return { ...refusal(response.statusCode ?? 0, text), firstContentMs };
  if (!ask.stream) return { ...whole(ask, text), firstContentMs };
  return { ...streamed(ask, events, text), firstContentMs };
}

function refusal(status: number, text: string): Verdict {
  const code = codeOf((parsed(text) ?? {})["error"]);
  return code === null ? { end: "wrong", detail: `${status} without a typed error` } : { end: "refused", detail: `${status} ${code}` };
}

function whole(ask: Ask, text: string): Verdict {
  const body = parsed(text);
  if (ask.path === "images/generations") return Array.isArray(body?.["data"]) ? { end: "complete", detail: "" } : { end: "wrong", detail: "no images" };
  const choice = firstChoice(body);
  if (typeof choice["finish_reason"] !== "string") return { end: "wrong", detail: "no finish reason" };
  return wholeText(ask, textOf(choice["message"]));
}

function streamed(ask: Ask, events: readonly string[], rest: string): Verdict {
  if (rest.trim() !== "") return { end: "wrong", detail: "an event without its end" };
  const chunks = events.map((event) => event.replace(/^data: /, ""));
  const errors = chunks.filter((chunk) => parsed(chunk)?.["error"] !== undefined);
  const text = events.map(wordOf).join("");
  const words = wordsOf(text).length;
  if (errors.length > 0) {
    const code = codeOf(parsed(errors[0] ?? "")?.["error"]);
    if (errors.length > 1 || chunks.at(-1) !== errors[0]) return { end: "wrong", detail: "something after the error" };
    if (code === null) return { end: "wrong", detail: "an untyped error" };
    return { end: words > 0 ? "broken" : "refused", detail: `200 ${code}` };
  }
  const finishes = chunks.filter((chunk) => typeof firstChoice(parsed(chunk))["finish_reason"] === "string").length;
  if (finishes !== 1 || chunks.at(-1) !== "[DONE]") return { end: "wrong", detail: `silence after ${words} words` };
  return wholeText(ask, text);
}

/** All words, each the one that follows in what the fleet says: none lost, none twice, none run together. */
function wholeText(ask: Ask, text: string): Verdict {
  const words = wordsOf(text);
  if (words.length !== ask.words) return { end: "wrong", detail: `${words.length} of ${ask.words} words passed off as whole` };
  const follows = WORDS.some((_, from) => words.every((word, i) => word === WORDS[(from + i) % WORDS.length]));
  return follows ? { end: "complete", detail: "" } : { end: "wrong", detail: `not what was said: ${text}` };
}

function wordOf(event: string): string {
  return textOf(firstChoice(parsed(event.replace(/^data: /, "")))["delta"]);
}

function textOf(message: unknown): string {
  const content = (message as Json | undefined)?.["content"];
  return typeof content === "string" ? content : "";
}

function parsed(text: string): Json | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Json) : null;
  } catch {
    return null;
  }
}

function firstChoice(body: Json | null): Json {
  return (body?.["choices"] as readonly Json[] | undefined)?.[0] ?? {};
}

function codeOf(error: unknown): string | null {
  const { type, code, message } = (error ?? {}) as Json;
  return typeof type === "string" && typeof message === "string" && typeof code === "string" ? code : null;
}

function wordsOf(text: string): readonly string[] {
  return text.split(" ").filter((word) => word !== "");
}
