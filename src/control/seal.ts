/** Secrets of managed objects: keys, of which only a hash is kept, and credentials, which are sealed. */
import { hash, randomBytes } from "node:crypto";

/** Seals and opens texts; a sealed text opens only where it was sealed for. */
export interface Vault {
  seal(place: VaultPlace, text: string): string;
  /** undefined: not sealed by this vault for this place. */
  open(place: VaultPlace, sealed: string): string | undefined;
}
export interface VaultPlace {
  readonly tenant: string;
  readonly kind: string;
  readonly id: string;
}

/** Where nothing can be sealed: for descriptions of kinds, and reading commands. */
export const NO_VAULT: Vault = {
  seal: () => {
    throw new Error("no vault: this process may not take credentials");
  },
  open: () => undefined,
};

const SECRET_BYTES = 32;
const PREFIX_MAX = 12;

/** A new key: `spw_<prefix>_<43 characters>`, of which the last part holds 256 random bits. */
export function newKeyText(tenant: string): string {
  const prefix = tenant.replace(/[^A-Za-z0-9]/g, "").slice(0, PREFIX_MAX).toLowerCase() || "x";
  return `spw_${prefix}_${randomBytes(SECRET_BYTES).toString("base64url")}`;
}

const TOKEN_PREFIX = "spa_";

/** A new token of the admin API: 256 random bits. */
export function newTokenText(): string {
  return `${TOKEN_PREFIX}${randomBytes(SECRET_BYTES).toString("base64url")}`;
}

/** Is this the form of such a token? A caller's key never has it. */
export function isTokenText(text: string): boolean {
  return text.startsWith(TOKEN_PREFIX);
}

/** Enough of a key to tell it from others in a list: what stands before its secret, and four characters of that. */
export function shownPart(key: string): string {
  return key.slice(0, key.indexOf("_", 4) + 5);
}

/** What is kept of a key, and what it is looked up by. */
export function hashOfKey(key: string): string {
  return hash("sha256", key, "base64url");
}

/** An id that nobody chose. */
export function newId(): string {
  return BigInt(`0x${randomBytes(8).toString("hex")}`).toString(36).padStart(13, "0");
}
