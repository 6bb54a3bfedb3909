/** The AI SDK (`ai`), unmodified, by its package for Gemini, on every upstream. */
import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { streamText, stepCountIs, type LanguageModel } from "ai";
import { aiSdkFeatures, asked, toolsOf, usageOf } from "./ai-sdk-features.ts";
import { checkSignatureBack, checkThoughts } from "./checks.ts";
import { matrix, type Cell } from "./matrix.ts";
import { model, Toolbox, type Behaviour } from "./world.ts";

const chat = ({ world, dialect }: Cell, behaviour?: Behaviour): LanguageModel =>
  createGoogleGenerativeAI({ baseURL: `${world.gateway.url}/v1beta`, apiKey: world.apiKey })(model(dialect, behaviour));

matrix("AI SDK by @ai-sdk/google", {
  ...aiSdkFeatures(chat),

  async "reads what a model thought, and brings its signatures back"(cell) {
    const box = new Toolbox();
    const answer = streamText({
      model: chat(cell, "thinker"), ...asked, tools: toolsOf(box, ["get_weather"]), stopWhen: stepCountIs(3),
      providerOptions: { google: { thinkingConfig: { includeThoughts: true } } },
    });
    await answer.consumeStream();
    box.check(["get_weather"], await answer.text, cell.calls());
    const [first] = await answer.steps;
    checkThoughts(first?.reasoningText, cell.dialect === "gemini" ? 12 : 6);
    checkSignatureBack(cell, first?.reasoningText ?? "");
    return { calls: 2, usage: usageOf(await answer.totalUsage) };
  },
});
