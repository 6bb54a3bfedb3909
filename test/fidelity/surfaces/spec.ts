/** What every surface tells the matrix: how its clients write each feature, and how they send an answer back. */
import type { JsonObject } from "../../../src/wire/json.ts";
import type { SurfaceName } from "../../../src/wire/surfaces.ts";
import type { RequestFeature } from "../features.ts";

export interface SurfaceSpec {
  readonly surface: SurfaceName;
  /** The least request: one message of the user. */
  readonly base: JsonObject;
  /** Members that take the place of those of `base`. A feature that is missing here is one that the surface does not have. */
  readonly asks: Readonly<Partial<Record<RequestFeature, JsonObject>>>;
  /** Members that ask to be told all that an answer can tell. */
  readonly listening?: JsonObject;
  /** The next turn, after an answer that made one call of a tool: the answer as the client keeps it, and the tool's result. Absent: no turns. */
  readonly replay?: (answer: JsonObject) => JsonObject;
}

/** Data of an image or file as a data URI. */
export function dataUri(mediaType: string, base64: string): string {
  return `data:${mediaType};base64,${base64}`;
}

