/** Takes secrets out of the words of others, however they shortened them. */

/** So much of a secret is enough to be taken out. */
const PIECE = 8;
/** Less than this is no secret, and would blot out common words. */
const LEAST = 4;

/** The text without any piece of eight characters of the secret, or of all of it where it is shorter. */
export function withoutPieces(text: string, secret: string | null | undefined): string {
  if (secret === null || secret === undefined || secret.length < LEAST) return text;
  const size = Math.min(PIECE, secret.length);
  const hidden = new Uint8Array(text.length);
  let any = false;
  for (let from = 0; from + size <= secret.length; from++) {
    const piece = secret.slice(from, from + size);
    for (let at = text.indexOf(piece); at >= 0; at = text.indexOf(piece, at + 1)) {
      hidden.fill(1, at, at + size);
      any = true;
    }
  }
  if (!any) return text;
  let out = "";
  for (let i = 0; i < text.length; i++) {
    if (hidden[i] === 0) out += text[i];
    else if (i === 0 || hidden[i - 1] === 0) out += "***";
  }
  return out;
}

/** The same for several. */
export function withoutSecrets(text: string, secrets: readonly (string | null | undefined)[]): string {
  return secrets.reduce<string>(withoutPieces, text);
}
