/** The demo's client: asks the gateway as an SDK would, and judges the answer as one would. */

/** What a client saw of one request. */
export interface Seen {
  /** The account that answered, by the gateway's own header; null where nobody did. */
  readonly account: string | null;
  readonly attempts: number;
  /** Milliseconds from sending to the first word; null where none came. */
  readonly firstTokenMs: number | null;
  /** USD by the gateway's own count; null where it did not say. */
  readonly costUsd: number | null;
  /** What was wrong, in a word or two; null: a whole answer. */
  readonly error: string | null;
}

export interface Question {
  readonly model: string;
  readonly promptTokens: number;
  readonly maxTokens: number;
}

interface Chunk {
  readonly choices?: readonly { readonly delta?: { readonly content?: string | null }; readonly finish_reason?: string | null }[];
  readonly error?: { readonly message?: string; readonly code?: string | null };
  readonly spillway?: { readonly cost_usd?: number | string };
  readonly usage?: { readonly spillway?: { readonly cost_usd?: number | string } } | null;
}

/** Sends one streamed request and reads it to its end. Never throws: what goes wrong is what the client saw. */
export async function ask(url: string, question: Question, timeoutMs: number): Promise<Seen> {
  const started = performance.now();
  const seen = { account: null as string | null, attempts: 0, firstTokenMs: null as number | null, costUsd: null as number | null };
  try {
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        model: question.model,
        messages: [{ role: "user", content: promptOf(question.promptTokens) }],
        max_tokens: question.maxTokens,
        stream: true,
        stream_options: { include_usage: true },
      }),
      signal: AbortSignal.timeout(timeoutMs),
    });
    seen.account = response.headers.get("x-spillway-deployment")?.split("/")[0] ?? null;
    seen.attempts = Number(response.headers.get("x-spillway-attempts") ?? 0);
    if (response.status !== 200 || !response.body) {
      await response.body?.cancel();
      return { ...seen, error: `status ${response.status}` };
    }
    let finished = false;
    for await (const data of events(response.body)) {
      if (data === "[DONE]") return { ...seen, error: finished ? null : "no finish" };
      const chunk = JSON.parse(data) as Chunk;
      if (chunk.error) return { ...seen, error: chunk.error.code ?? chunk.error.message ?? "error" };
      const choice = chunk.choices?.[0];
      if (choice?.delta?.content) seen.firstTokenMs ??= performance.now() - started;
      if (choice?.finish_reason) finished = true;
      const cost = chunk.spillway?.cost_usd ?? chunk.usage?.spillway?.cost_usd;
      if (cost !== undefined) seen.costUsd = Number(cost);
    }
    return { ...seen, error: "cut off" };
  } catch (error) {
    return { ...seen, error: error instanceof Error && error.name === "TimeoutError" ? "timed out" : "connection lost" };
  }
}

/** The `data:` lines of a stream. */
async function* events(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const bytes of body) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line.startsWith("data:")) yield line.slice(5).trim();
  }
}

const SENTENCE = "how much water does the wall hold back and where does it go when the river rises ";

/** A prompt of about so many tokens, four bytes each. */
function promptOf(tokens: number): string {
  const bytes = Math.min(tokens, 30_000) * 4;
  return SENTENCE.repeat(Math.ceil(bytes / SENTENCE.length)).slice(0, Math.max(4, bytes));
}
