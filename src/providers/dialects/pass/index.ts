/** The table of endpoints that are no chat. */
import type { PassName } from "../../../wire/surfaces.ts";
import type { PassEndpoint } from "./endpoint.ts";
import { responsesCompact } from "./compact.ts";
import { audioSpeech, audioTranscriptions, audioTranslations, imageEdits, imageGenerations, imageVariations } from "./media.ts";
import { batchEmbedContents, embedContent, embedV2, moderations, rerank, rerankV2 } from "./retrieval.ts";

export const PASS_ENDPOINTS: Readonly<Record<PassName, PassEndpoint>> = {
  moderations,
  "responses-compact": responsesCompact,
  "image-generations": imageGenerations,
  "image-edits": imageEdits,
  "image-variations": imageVariations,
  "audio-speech": audioSpeech,
  "audio-transcriptions": audioTranscriptions,
  "audio-translations": audioTranslations,
  rerank,
  "rerank-v2": rerankV2,
  "embed-v2": embedV2,
  "embed-content": embedContent,
  "batch-embed-contents": batchEmbedContents,
};
