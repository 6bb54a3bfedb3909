/** Load for end-to-end tests: one call through the real SDK, described by what its client saw of it. */
import OpenAI, { APIError, APIUserAbortError } from "openai";

export interface Ask {
  readonly model: string;
  readonly stream: boolean;
  /** Prompt, in the fleet's tokens: four bytes each. */
  readonly inputTokens: number;
  /** Limit of the answer; where the fleet would write more, its length. */
  readonly maxTokens: number;
  /** The client hangs up when it has seen so many pieces of content; streams only. */
  readonly leaveAfterEvents?: number;
  /** The client hangs up this long after it asked, if the answer is not complete by then. */
  readonly leaveAfterMs?: number;
}

/** What the client has seen so far; `open` until it knows how the call ended. */
export interface Seen {
  readonly ask: Ask;
  kind: "open" | "finished" | "error" | "left";
  requestId: string | null;
  deployment: string | null;
  attempts: number | null;
  /** Pieces of content, and their text. */
  events: number;
  text: string;
  finishReason: string | null;
  /** As the client was told: input with what was cached, output with reasoning. */
  usage: { readonly input: number; readonly cached: number; readonly output: number } | null;
  /** As the client was told, in nano-dollars; null: it was not told. */
  costNanoUsd: number | null;
  /** `status code` or the message of what went wrong. */
  error: string | null;
  startedMs: number;
  endedMs: number | null;
}

/** The SDK as an application would set it up, but without its own retries: what fails once is seen. */
export function sdk(baseURL: string, apiKey = "any"): OpenAI {
  return new OpenAI({ baseURL, apiKey, maxRetries: 0, timeout: 120_000 });
}

/** A prompt that the fleet counts as so many tokens. */
export function promptOf(tokens: number): string {
  return "wave ".repeat(Math.ceil((tokens * 4) / 5)).slice(0, Math.max(1, tokens * 4));
}

/** Begin a call. `done` resolves when it has ended in whatever way and never rejects; `seen` can be looked at before. */
export function begin(client: OpenAI, ask: Ask): { readonly seen: Seen; readonly done: Promise<Seen>; leave(): void } {
  const seen: Seen = {
    ask, kind: "open", requestId: null, deployment: null, attempts: null, events: 0, text: "", finishReason: null,
    usage: null, costNanoUsd: null, error: null, startedMs: performance.now(), endedMs: null,
  };
  const gone = new AbortController();
  const timer = ask.leaveAfterMs === undefined ? null : setTimeout(() => gone.abort(), ask.leaveAfterMs);
  const run = ask.stream ? streamed(client, ask, seen, gone) : whole(client, ask, seen, gone.signal);
  const done = run
    .then(
      (kind) => void (seen.kind = kind),
      (error: unknown) => {
        seen.kind = gone.signal.aborted && (error instanceof APIUserAbortError || !(error instanceof APIError)) ? "left" : "error";
        seen.error = describe(error);
        if (error instanceof APIError) readHeaders(seen, error.headers);
      },
    )
    .then(() => {
      if (timer !== null) clearTimeout(timer);
      seen.endedMs = performance.now();
      return seen;
    });
  return { seen, done, leave: () => gone.abort() };
}

/** A call from its begin to its end. */
export async function call(client: OpenAI, ask: Ask): Promise<Seen> {
  return await begin(client, ask).done;
}

function bodyOf(ask: Ask) {
  return { model: ask.model, messages: [{ role: "user" as const, content: promptOf(ask.inputTokens) }], max_tokens: ask.maxTokens };
}

async function whole(client: OpenAI, ask: Ask, seen: Seen, signal: AbortSignal): Promise<"finished"> {
  const { data, response } = await client.chat.completions.create(bodyOf(ask), { signal }).withResponse();
  readHeaders(seen, response.headers);
  const choice = data.choices[0];
  seen.text = choice?.message.content ?? "";
  seen.events = seen.text === "" ? 0 : 1;
  seen.finishReason = choice?.finish_reason ?? null;
  if (data.usage !== undefined) readUsage(seen, data.usage);
  const cost = response.headers.get("x-spillway-cost-usd");
  if (cost !== null) seen.costNanoUsd = nanoUsd(cost.split(";")[0] ?? "");
  if (seen.finishReason === null) throw new Error("the answer has no finish reason");
  return "finished";
}

async function streamed(client: OpenAI, ask: Ask, seen: Seen, gone: AbortController): Promise<"finished" | "left"> {
  const body = { ...bodyOf(ask), stream: true as const, stream_options: { include_usage: true } };
  const { data, response } = await client.chat.completions.create(body, { signal: gone.signal }).withResponse();
  readHeaders(seen, response.headers);
  for await (const chunk of data) {
    const choice = chunk.choices[0];
    const piece = choice?.delta.content ?? "";
    if (piece !== "") {
      seen.events += 1;
      seen.text += piece;
    }
    seen.finishReason = choice?.finish_reason ?? seen.finishReason;
    if (chunk.usage !== undefined && chunk.usage !== null) readUsage(seen, chunk.usage);
    const told = (chunk as { spillway?: { cost_usd?: number | null } }).spillway?.cost_usd;
    if (typeof told === "number") seen.costNanoUsd = Math.round(told * 1e9);
    if (ask.leaveAfterEvents !== undefined && seen.events >= ask.leaveAfterEvents) gone.abort();
  }
  // The SDK ends its loop quietly when the call was aborted, and also when a stream just stops.
  if (gone.signal.aborted) return "left";
  if (seen.finishReason === null) throw new Error("the stream ended without a finish reason");
  return "finished";
}

function readHeaders(seen: Seen, headers: Headers | undefined): void {
  if (headers === undefined) return;
  seen.requestId = headers.get("x-request-id");
  seen.deployment = headers.get("x-spillway-deployment");
  const attempts = headers.get("x-spillway-attempts");
  seen.attempts = attempts === null ? null : Number(attempts);
}

function readUsage(seen: Seen, usage: OpenAI.CompletionUsage): void {
  seen.usage = { input: usage.prompt_tokens, cached: usage.prompt_tokens_details?.cached_tokens ?? 0, output: usage.completion_tokens };
}

/** `0.000001234` as 1234: by digits, since a product of floats could be one off. */
function nanoUsd(usd: string): number {
  const [whole = "0", fraction = ""] = usd.trim().split(".");
  return Number(whole + fraction.padEnd(9, "0").slice(0, 9));
}

function describe(error: unknown): string {
  if (error instanceof APIError && error.status !== undefined) return `${String(error.status)} ${error.code ?? ""}: ${error.message}`;
  if (error instanceof APIError) return `${error.code ?? error.name}: ${error.message}`;
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
