/** The signature of a webhook's body, and how a receiver checks it. */
import { createHmac, timingSafeEqual } from "node:crypto";

export const SIGNATURE_HEADER = "x-spillway-signature";
/** Older ones are somebody's who kept a copy. */
const TOLERANCE_S = 300;

/** `t=<unix seconds>,v1=<hex HMAC-SHA256 of "t.body">`. Throws where the secret is empty: that would sign nothing. */
export function signatureOf(secret: string, body: string, atMs: number): string {
  if (secret === "") throw new Error("a webhook needs a secret to be signed with");
  const seconds = Math.floor(atMs / 1_000);
  return `t=${seconds},v1=${hmac(secret, seconds, body)}`;
}

/** What a receiver does: the right secret, the very body, and not long ago. */
export function verifySignature(secret: string, body: string, header: string, nowMs: number): boolean {
  const found = /^t=(\d{1,12}),v1=([0-9a-f]{64})$/.exec(header);
  if (found === null || secret === "") return false;
  const seconds = Number(found[1]);
  if (Math.abs(nowMs / 1_000 - seconds) > TOLERANCE_S) return false;
  return timingSafeEqual(Buffer.from(found[2] ?? "", "hex"), Buffer.from(hmac(secret, seconds, body), "hex"));
}

function hmac(secret: string, seconds: number, body: string): string {
  return createHmac("sha256", secret).update(`${seconds}.${body}`).digest("hex");
}
