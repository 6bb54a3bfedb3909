/** `@langchain/anthropic`, unmodified, on every upstream. */
import { ChatAnthropic } from "@langchain/anthropic";
import { checkThoughts, checkThoughtsBack } from "./checks.ts";
import { BOTH, conversation, gather, langchainFeatures, resultsOf, toolsOf } from "./langchain-features.ts";
import { matrix, type Cell } from "./matrix.ts";
import { model, Toolbox, type Behaviour } from "./world.ts";

const chat = ({ world, dialect }: Cell, behaviour?: Behaviour): ChatAnthropic => new ChatAnthropic({
  model: model(dialect, behaviour), apiKey: world.apiKey, anthropicApiUrl: world.gateway.url, maxTokens: 4_000, maxRetries: 0,
});

matrix("LangChain's ChatAnthropic", {
  ...langchainFeatures(chat, {
    reasonOf: (message) => message.response_metadata["stop_reason"] ?? message.additional_kwargs["stop_reason"],
    // It takes the input from the first event alone, where other protocols do not know it yet, and adds up the output of all.
    countsStreams: false,
    reasons: { text: "end_turn", tools: "tool_use" },
    picture: (data) => ({ type: "image_url", image_url: { url: `data:image/png;base64,${data}` } }),
  }),

  async "reads what a model thought, and brings its signatures back"(cell) {
    const box = new Toolbox();
    const bound = chat(cell, "thinker").bindTools(toolsOf(box, BOTH));
    const called = await gather(bound.stream(conversation()));
    const thinking = (called.content as { type: string; thinking?: string; signature?: string }[]).find((block) => block.type === "thinking");
    checkThoughts(thinking?.thinking);
    const answer = await bound.invoke([...conversation(), called, ...(await resultsOf(called, box, BOTH))]);
    box.check(BOTH, answer.text, cell.calls());
    // It tells nobody its answer's headers, so elsewhere there is nothing to compare.
    if (cell.dialect === "anthropic") checkThoughtsBack(cell, { thinking: thinking?.thinking ?? "", signature: thinking?.signature }, new Headers());
    return { calls: 2 };
  },
});
