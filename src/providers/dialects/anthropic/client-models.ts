/** The list of models in the form of the Messages API. */
import type { JsonObject } from "../../../wire/json.ts";

export interface ListedModel {
  readonly id: string;
  /** Seconds since 1970. */
  readonly createdS: number;
  readonly name: string;
}

/** One model. What is not known of it is null, which the API's clients expect of any of these members. */
export function encodeModel(model: ListedModel): JsonObject {
  return {
    type: "model",
    id: model.id,
    display_name: model.name,
    created_at: new Date(model.createdS * 1_000).toISOString().replace(/\.\d+Z$/, "Z"),
    lifecycle: "active",
    capabilities: null,
    line: null,
    max_input_tokens: null,
    max_tokens: null,
    deprecated_at: null,
    retires_at: null,
  };
}

/** All models, or a page of them. */
export function encodeModelsList(models: readonly ListedModel[], more = false): JsonObject {
  return { data: models.map(encodeModel), has_more: more, first_id: models[0]?.id ?? null, last_id: models.at(-1)?.id ?? null };
}
