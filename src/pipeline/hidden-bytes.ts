/** Text that reaches a model because the client's bytes pass, and of which the hub's request knows nothing. */
import type { ChatRequest } from "../wire/chat.ts";

/** Names, quotes and braces: what a body spends on its form is not shown to a model. */
const FORM_BYTES = 1_024;
const FORM_BYTES_PER_MESSAGE = 32;

export interface SeenText {
  readonly textBytes: number;
  readonly messageAndToolCount: number;
  readonly imageCount: number;
  /** The bound is the whole context window anyway. */
  readonly unsized: boolean;
}

/**
 * UTF-8 bytes of a body beyond what was read of it and its form: fields that only its own protocol has, signatures, and
 * whatever comes to be added to a protocol. No model makes more tokens of a body than it has bytes, images apart, so a bound
 * that counts these covers what nobody here has heard of yet. Escapes count with the text they stand for.
 */
export function hiddenBytes(bodyBytes: number, seen: SeenText, request: ChatRequest): number {
  const rest = bodyBytes - seen.textBytes - FORM_BYTES - FORM_BYTES_PER_MESSAGE * seen.messageAndToolCount;
  if (rest <= 0 || seen.unsized) return 0;
  return seen.imageCount === 0 ? rest : Math.max(0, rest - imageBytes(request));
}

/** Of images that stand in the body themselves; each is counted as an image. */
function imageBytes(request: ChatRequest): number {
  let bytes = 0;
  for (const message of request.messages) {
    for (const part of message.parts) if (part.kind === "image" && part.source.kind === "base64") bytes += part.source.base64.length;
  }
  return bytes;
}
