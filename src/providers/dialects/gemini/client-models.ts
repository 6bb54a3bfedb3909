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

/** `GET …/models`: the list, or a page of it; the next begins behind its last model. */
export function encodeModelsList(models: readonly ListedModel[], more = false): JsonObject {
  return { models: models.map(encodeModel), ...(more ? { nextPageToken: models.at(-1)?.id ?? "" } : {}) };
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
