/** Takes credentials out of what a provider says, before anything else gets to see it: answer, log or record. */
import type { Outcome, UpstreamError } from "../wire/outcome.ts";
import { withoutPieces } from "../wire/pieces.ts";

/** The outcome with a failure's words cleaned. `secret` is what the provider was called with. */
export function withoutSecret(outcome: Outcome, secret: string | null): Outcome {
  return outcome.kind === "failed" ? { ...outcome, error: cleaned(outcome.error, secret) } : outcome;
}

function cleaned(error: UpstreamError, secret: string | null): UpstreamError {
  const clean = (text: string | null): string | null => (text === null ? null : withoutKeys(text, secret));
  const message = withoutKeys(error.message, secret).replaceAll(LIKE_A_KEY, "***");
  return { ...error, message, type: clean(error.type), code: clean(error.code), param: clean(error.param) };
}

/** A short prefix and a long rest. In running text only: codes and paths of fields may look like that. */
const LIKE_A_KEY = /\b[a-z]{2,6}[-_][A-Za-z0-9_*-]{20,}/g;

/** Cut out every piece of the credential, however the provider shortened it, and what is plainly another one. */
function withoutKeys(text: string, secret: string | null): string {
  return withoutPieces(text, secret)
    .replaceAll(/\b(?:sk|pk|rk|key)[-_][A-Za-z0-9_*-]{6,}/g, "***")
    .replaceAll(/\bAIza[A-Za-z0-9_-]{10,}/g, "***")
    .replaceAll(/\b(Bearer|Basic)\s+\S{6,}/gi, "$1 ***")
    .replaceAll(/([?&](?:key|api_key|apikey|token)=)[^&\s"']+/gi, "$1***");
}
