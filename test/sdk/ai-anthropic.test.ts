/** The AI SDK (`ai`), unmodified, by its package for Anthropic, on every upstream. */
import { createAnthropic } from "@ai-sdk/anthropic";
import { streamText, stepCountIs, type LanguageModel } from "ai";
import { z } from "zod";
import { aiSdkFeatures, asked, toolsOf, usageOf } from "./ai-sdk-features.ts";
import { checkThoughts, checkThoughtsBack } from "./checks.ts";
import { matrix, type Cell } from "./matrix.ts";
import { model, Toolbox, type Behaviour } from "./world.ts";

const chat = ({ world, dialect }: Cell, behaviour?: Behaviour): LanguageModel =>
  createAnthropic({ baseURL: world.gateway.baseUrl, apiKey: world.apiKey })(model(dialect, behaviour));

matrix("AI SDK by @ai-sdk/anthropic", {
  ...aiSdkFeatures(chat),

  async "reads what a model thought, and brings its signatures back"(cell) {
    const box = new Toolbox();
    const answer = streamText({ model: chat(cell, "thinker"), ...asked, tools: toolsOf(box, ["get_weather"]), stopWhen: stepCountIs(3) });
    await answer.consumeStream();
    box.check(["get_weather"], await answer.text, cell.calls());
    const [first, second] = await answer.steps;
    checkThoughts(first?.reasoningText);
    const [thought] = first?.reasoning ?? [];
    const signature = z.string().optional().parse(thought?.providerOptions?.["anthropic"]?.["signature"]);
    // Thoughts that nobody signed the package leaves out by itself.
    if (cell.dialect === "anthropic") checkThoughtsBack(cell, { thinking: first?.reasoningText ?? "", signature }, new Headers(second?.response.headers));
    return { calls: 2, usage: usageOf(await answer.totalUsage) };
  },
});
