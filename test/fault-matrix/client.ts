/**
 * The client of a cell: the real SDK without retries, on a connection that is read to its very end beside it. The SDK
 * stops reading at an error; what came after it, and how the connection ended, only the raw reader sees.
 */
import OpenAI, { APIError } from "openai";
import type { Form } from "./faults.ts";

/** What came over the wire. */
export interface Wire {
  readonly status: number;
  readonly header: (name: string) => string | null;
  readonly text: string;
  /** `clean`: the answer was framed to its end. `broken`: the connection was lost. `hang`: our patience ended. */
  readonly end: "clean" | "broken" | "hang";
}

/** What the SDK made of it. */
export interface Told {
  readonly text: string;
  readonly finishReason: string | null;
  readonly outputTokens: number | null;
  /** As the SDK threw it. */
  readonly error: { readonly api: boolean; readonly status: number | null; readonly type: string | null; readonly code: string | null; readonly message: string } | null;
}

export interface Seen {
  readonly wire: Wire;
  readonly told: Told;
  /** The verdict, where whoever asked has judged by its own protocol; else `answer.ts` judges. */
  readonly judged?: { readonly answer: string; readonly words: number };
}

/** Beyond the route's deadline by far: whoever waits as long as this hangs. */
const PATIENCE_MS = 25_000;
export const QUESTION = "How high does the water stand behind the wall, and who watches it tonight?";

/** Ask once. Never rejects. */
export async function ask(baseURL: string, apiKey: string, model: string, form: Form): Promise<Seen> {
  let reading: Promise<Wire> | undefined;
  const client = new OpenAI({
    baseURL,
    apiKey,
    maxRetries: 0,
    timeout: PATIENCE_MS,
    fetch: async (url, init) => {
      const { response, wire } = await readBeside(url, init);
      reading = wire;
      return response;
    },
  });
  const told = await (form === "json" ? askWhole(client, model) : askStream(client, model)).catch((error: unknown) => failed(error));
  return { told, wire: reading === undefined ? NO_ANSWER : await reading };
}

const NO_ANSWER: Wire = { status: 0, header: () => null, text: "", end: "broken" };

async function askWhole(client: OpenAI, model: string): Promise<Told> {
  const answer = await client.chat.completions.create({ model, messages: [{ role: "user", content: QUESTION }] });
  const choice = answer.choices[0];
  return { text: choice?.message.content ?? "", finishReason: choice?.finish_reason ?? null, outputTokens: answer.usage?.completion_tokens ?? null, error: null };
}

async function askStream(client: OpenAI, model: string): Promise<Told> {
  let text = "";
  let finishReason: string | null = null;
  let outputTokens: number | null = null;
  try {
    const stream = await client.chat.completions.create({ model, messages: [{ role: "user", content: QUESTION }], stream: true, stream_options: { include_usage: true } });
    for await (const chunk of stream) {
      const choice = chunk.choices[0];
      text += choice?.delta.content ?? "";
      finishReason = choice?.finish_reason ?? finishReason;
      outputTokens = chunk.usage?.completion_tokens ?? outputTokens;
    }
    return { text, finishReason, outputTokens, error: null };
  } catch (error) {
    return { ...failed(error), text, finishReason, outputTokens };
  }
}

function failed(error: unknown): Told {
  const none = { text: "", finishReason: null, outputTokens: null };
  if (!(error instanceof APIError)) return { ...none, error: { api: false, status: null, type: null, code: null, message: String(error) } };
  const { status, type, code, message } = error as APIError<number | undefined, Headers | undefined, object | undefined>;
  return { ...none, error: { api: true, status: status ?? null, type: type ?? null, code: code ?? null, message } };
}

/** A response whose body goes to the caller as it comes, and is read to its end whatever the caller does with it. */
async function readBeside(url: Parameters<typeof fetch>[0], init: Parameters<typeof fetch>[1]): Promise<{ response: Response; wire: Promise<Wire> }> {
  const patience = AbortSignal.timeout(PATIENCE_MS);
  const { signal: _, ...rest } = init ?? {};
  const response = await fetch(url, { ...rest, signal: patience });
  const facts = { status: response.status, header: (name: string) => response.headers.get(name) };
  let mirror: ReadableStreamDefaultController<Uint8Array> | null = null;
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => void (mirror = controller),
    cancel: () => void (mirror = null),
  });
  const pump = async (): Promise<Wire> => {
    const decoder = new TextDecoder();
    let text = "";
    try {
      for await (const bytes of response.body ?? []) {
        text += decoder.decode(bytes, { stream: true });
        mirror?.enqueue(bytes);
      }
      mirror?.close();
      return { ...facts, text, end: "clean" };
    } catch (error) {
      mirror?.error(error);
      return { ...facts, text, end: patience.aborted ? "hang" : "broken" };
    }
  };
  return { response: new Response(body, { status: response.status, headers: response.headers }), wire: pump() };
}
