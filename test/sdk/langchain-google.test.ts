/** `@langchain/google-genai`, unmodified, on every upstream. It stands on the library before `@google/genai`. */
import assert from "node:assert/strict";
import { ChatGoogleGenerativeAI } from "@langchain/google-genai";
import { checkSignatureBack, checkThoughts } from "./checks.ts";
import { BOTH, conversation, langchainFeatures, resultsOf, toolsOf } from "./langchain-features.ts";
import { matrix, type Cell } from "./matrix.ts";
import { model, Toolbox, type Behaviour } from "./world.ts";

const settings = ({ world, dialect }: Cell, behaviour?: Behaviour) => ({ model: model(dialect, behaviour), apiKey: world.apiKey, baseUrl: world.gateway.url, maxRetries: 0 });

const features = langchainFeatures((cell, behaviour) => new ChatGoogleGenerativeAI(settings(cell, behaviour)), {
  reasonOf: (message) => message.response_metadata["finishReason"],
  countsStreams: true,
  reasons: { text: "STOP", tools: "STOP" },
  // Not as `image_url`: that it takes only for names of Google's own models.
  picture: (data) => ({ type: "media", mimeType: "image/png", data }),
});

matrix("LangChain's ChatGoogleGenerativeAI", {
  ...features,

  async "reads what a model thought, and brings its signatures back"(cell) {
    const box = new Toolbox();
    const thinker = new ChatGoogleGenerativeAI({ ...settings(cell, "thinker"), thinkingConfig: { includeThoughts: true } });
    const bound = thinker.bindTools(toolsOf(box, BOTH));
    const called = await bound.invoke(conversation());
    const thoughts = (called.content as { type: string; thinking?: string }[]).map((block) => block.thinking ?? "").join("");
    checkThoughts(thoughts, cell.dialect === "gemini" ? 12 : 6);
    const answer = await bound.invoke([...conversation(), called, ...(await resultsOf(called, box, BOTH))]);
    box.check(BOTH, answer.text, cell.calls());
    // It keeps signatures of calls and of thoughts with text, but not of empty parts, in which those of other makers travel.
    if (cell.dialect === "gemini") checkSignatureBack(cell, thoughts);
    return { calls: 2 };
  },

  async "leaves a stream by its signal"(cell) {
    return await withStray(/Error reading from the stream/, () => features["leaves a stream by its signal"](cell));
  },
});

/** The library reads each stream twice, and nobody awaits the second reading: when the stream is left, that rejects into the void. */
async function withStray<T>(expected: RegExp, run: () => Promise<T>): Promise<T> {
  const others = process.listeners("unhandledRejection");
  const strays: unknown[] = [];
  process.removeAllListeners("unhandledRejection");
  process.on("unhandledRejection", (reason) => strays.push(reason));
  try {
    return await run();
  } finally {
    process.removeAllListeners("unhandledRejection");
    for (const other of others) process.on("unhandledRejection", other);
    assert.deepEqual(strays.filter((stray) => !expected.test(String(stray))), []);
  }
}
