/** Errors of the Responses API: the chat protocol's, with the codes that only this one has. */
import type { Json } from "../../../wire/json.ts";
import type { FailureClass, UpstreamError } from "../../../wire/outcome.ts";
import { readError as readChatError, readInlineError as readChatInlineError } from "../openai/errors.ts";

/** Codes of `response.error` beyond those of the chat protocol. */
const CODES: ReadonlyMap<string, FailureClass> = new Map<string, FailureClass>([
  ["data_residency_mismatch", "residency"],
  ["bio_policy", "content_policy"],
  ["cyber_policy", "content_policy"],
  ["image_content_policy_violation", "content_policy"],
  ["vector_store_timeout", "timeout"],
  ["invalid_image", "bad_request"],
  ["invalid_image_format", "bad_request"],
  ["invalid_base64_image", "bad_request"],
  ["invalid_image_url", "bad_request"],
  ["invalid_image_mode", "bad_request"],
  ["image_too_large", "bad_request"],
  ["image_too_small", "bad_request"],
  ["image_parse_error", "bad_request"],
  ["image_file_too_large", "bad_request"],
  ["unsupported_image_media_type", "bad_request"],
  ["empty_image_file", "bad_request"],
  ["failed_to_download_image", "bad_request"],
  ["image_file_not_found", "bad_request"],
  ["invalid_encrypted_content", "bad_request"],
  ["previous_response_not_found", "bad_request"],
]);
const STATUS_OF: Partial<Record<FailureClass, number>> = { residency: 403, content_policy: 400, bad_request: 400, timeout: 504 };

/** Classify an error answer; see `Dialect.readError`. */
export function readError(
  status: number,
  header: (name: string) => string | undefined,
  body: Json | undefined,
  text: string,
  nowWallMs: number,
): UpstreamError {
  const read = readChatError(status, header, body, text, nowWallMs);
  const known = CODES.get(read.code ?? "");
  return known === undefined ? read : { ...read, class: known };
}

/** The error of a failed response, an `error` event, or an answer of status 200 that is one. */
export function readInlineError(body: Json | undefined): UpstreamError {
  const read = readChatInlineError(body);
  const known = CODES.get(read.code ?? "");
  return known === undefined ? read : { ...read, class: known, status: STATUS_OF[known] ?? read.status };
}

/** An error of our own making about the provider's answer. */
export function seenError(failure: FailureClass, message: string): UpstreamError {
  return { class: failure, status: 0, message, type: null, code: null, param: null, retryAfterMs: null };
}
