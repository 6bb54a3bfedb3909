/** `@langchain/openai`, unmodified, by both protocols that it speaks, on every upstream. */
import type { AIMessage } from "@langchain/core/messages";
import { ChatOpenAI, OpenAIEmbeddings } from "@langchain/openai";
import { checkThoughts, checkVectors } from "./checks.ts";
import { conversation, langchainFeatures, usageOf, type Kind } from "./langchain-features.ts";
import { matrix, type Cell, type Features } from "./matrix.ts";
import { codexModel, EMBEDDING_MODEL, model, type Behaviour } from "./world.ts";

const chatOf = ({ world }: Cell, name: string): ChatOpenAI =>
  new ChatOpenAI({ model: name, apiKey: world.apiKey, configuration: { baseURL: world.gateway.baseUrl }, maxRetries: 0 });

/** The rows of both protocols. */
function features(
  chat: (cell: Cell, behaviour?: Behaviour) => ChatOpenAI,
  kind: Pick<Kind, "reasonOf" | "reasons">,
  thoughtsOf: (answer: AIMessage) => unknown,
): Features<"LangChain's ChatOpenAI by responses"> {
  const picture = (data: string) => ({ type: "image_url", image_url: { url: `data:image/png;base64,${data}` } });
  return {
    ...langchainFeatures(chat, { ...kind, countsStreams: true, picture }),

    async "reads what a model thought"(cell) {
      const answer = await chat(cell, "thinker").invoke(conversation());
      cell.world.checkText(answer.text);
      checkThoughts(thoughtsOf(answer));
      return { usage: usageOf(answer) };
    },
  };
}

matrix("LangChain's ChatOpenAI", {
  ...features(
    (cell, behaviour) => chatOf(cell, model(cell.dialect, behaviour)),
    { reasonOf: (message) => message.response_metadata["finish_reason"], reasons: { text: "stop", tools: "tool_calls" } },
    (answer) => answer.additional_kwargs["reasoning_content"],
  ),

  async "gets vectors"(cell) {
    const { gateway, apiKey } = cell.world;
    const embeddings = new OpenAIEmbeddings({ model: EMBEDDING_MODEL, apiKey, configuration: { baseURL: gateway.baseUrl }, maxRetries: 0 });
    checkVectors(cell, await embeddings.embedDocuments(["over", "under"]));
    return {};
  },
});

// The package chooses the protocol by the model's name.
matrix("LangChain's ChatOpenAI by responses", features(
  (cell, behaviour) => chatOf(cell, codexModel(cell.dialect, behaviour)),
  { reasonOf: ({ response_metadata: told }) => `${told["object"]} ${told["status"]}`, reasons: { text: "response completed", tools: "response completed" } },
  (answer) => (answer.additional_kwargs["reasoning"] as { summary: readonly { text: string }[] }).summary.map(({ text }) => text).join(""),
));
