/** Models in the shape that clients of this dialect list. */
import type { JsonObject } from "../../../wire/json.ts";

export interface ListedModel {
  readonly id: string;
  readonly name: string;
  /** null: unknown, and then not told. */
  readonly contextWindow: number | null;
  readonly maxOutput: number | null;
  /** What can be called with it; chat where nothing is said. */
  readonly methods?: readonly string[];
}

const CHAT = ["generateContent", "streamGenerateContent", "countTokens"];

/** `GET …/models`: the list, in one page. */
export function encodeModelsList(models: readonly ListedModel[]): JsonObject {
  return { models: models.map(encodeModel) };
}

/** `GET …/models/{id}`. */
export function encodeModel(model: ListedModel): JsonObject {
  return {
    name: `models/${model.id}`,
    displayName: model.name,
    ...(model.contextWindow === null ? {} : { inputTokenLimit: model.contextWindow }),
    ...(model.maxOutput === null ? {} : { outputTokenLimit: model.maxOutput }),
    supportedGenerationMethods: model.methods ?? CHAT,
  };
}
