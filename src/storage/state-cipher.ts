/**
 * What of kept state reaches the disk: a name and a sealed value. The name is a keyed digest, so the file tells neither
 * who keeps something nor under which id. A value has a key of its own, made from the secret and random salt, and its
 * scope and id are authenticated with it: bytes moved to another name do not open.
 */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from "node:crypto";
import type { StateScope } from "../ports.ts";
import type { Json } from "../wire/json.ts";
import { entryName } from "./state-bounds.ts";

const ALGORITHM = "aes-256-gcm";
const SALT_BYTES = 32;
const TAG_BYTES = 16;
const KEY_BYTES = 32;
const NONCE_BYTES = 12;

export class StateCipher {
  readonly #names: Buffer;
  readonly #values: Buffer;

  constructor(secret: Buffer) {
    this.#names = derive(secret, "names");
    this.#values = derive(secret, "values");
  }

  /** Says whether another secret is the same as this one, and nothing else. */
  get check(): Buffer {
    return createHmac("sha256", this.#names).update("check").digest();
  }

  /** Under which name an entry stands. */
  nameOf(scope: StateScope, id: string): Buffer {
    return createHmac("sha256", this.#names).update(`entry\n${entryName(scope, id)}`).digest();
  }

  /** Salt, tag and ciphertext in one. */
  seal(scope: StateScope, id: string, text: Buffer): Buffer {
    const salt = randomBytes(SALT_BYTES);
    const { key, nonce } = this.#keyOf(salt);
    const cipher = createCipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES }).setAAD(Buffer.from(entryName(scope, id)));
    const body = [cipher.update(text), cipher.final()];
    return Buffer.concat([salt, cipher.getAuthTag(), ...body]);
  }

  /** The value; undefined for what this secret, scope and id did not seal. */
  open(scope: StateScope, id: string, sealed: Uint8Array): Json | undefined {
    if (sealed.length < SALT_BYTES + TAG_BYTES) return undefined;
    const { key, nonce } = this.#keyOf(sealed.subarray(0, SALT_BYTES));
    const decipher = createDecipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES }).setAAD(Buffer.from(entryName(scope, id)));
    decipher.setAuthTag(sealed.subarray(SALT_BYTES, SALT_BYTES + TAG_BYTES));
    try {
      const text = Buffer.concat([decipher.update(sealed.subarray(SALT_BYTES + TAG_BYTES)), decipher.final()]);
      return JSON.parse(text.toString()) as Json;
    } catch {
      // Not sealed for this scope and id, or changed since.
      return undefined;
    }
  }

  #keyOf(salt: Uint8Array): { readonly key: Buffer; readonly nonce: Buffer } {
    const bytes = Buffer.from(hkdfSync("sha256", this.#values, salt, "entry", KEY_BYTES + NONCE_BYTES));
    return { key: bytes.subarray(0, KEY_BYTES), nonce: bytes.subarray(KEY_BYTES) };
  }
}

function derive(secret: Buffer, purpose: string): Buffer {
  return Buffer.from(hkdfSync("sha256", secret, "", `spillway state ${purpose}`, KEY_BYTES));
}
