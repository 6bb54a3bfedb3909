/** All surfaces, in the order of the page. */
import { chatMistralSpec } from "./chat-mistral.ts";
import { chatV2Spec } from "./chat-v2.ts";
import { chatSpec } from "./chat.ts";
import { completionsSpec } from "./completions.ts";
import { converseSpec } from "./converse.ts";
import { generateContentSpec } from "./generate-content.ts";
import { messagesSpec } from "./messages.ts";
import { responsesSpec } from "./responses.ts";
import type { SurfaceSpec } from "./spec.ts";

export const SURFACES: readonly SurfaceSpec[] = [chatSpec, chatMistralSpec, completionsSpec, responsesSpec, messagesSpec, generateContentSpec, converseSpec, chatV2Spec];
