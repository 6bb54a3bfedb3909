/** The secret that state is encrypted with: the owner's, or one made at random beside the data. */
import { createHash, randomBytes } from "node:crypto";
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, statSync, writeSync } from "node:fs";
import { StorageError } from "./errors.ts";
import { messageOf } from "./schema.ts";

const KEY_BYTES = 32;

/** The key of a text that the owner configured. */
export function stateKeyOf(text: string): Buffer {
  return createHash("sha256").update("spillway state key\n").update(text.trim()).digest();
}

const OF_STATE = { of: "kept state", lost: "Remove it and state.db beside it; what was kept for clients is lost with them." };

/** The key in the file at `path`, which is made where there is none. `sealed`: what it is the key of, for messages. Throws StorageError. */
export function stateKeyFile(path: string, sealed = OF_STATE): Buffer {
  try {
    if (!existsSync(path)) makeKey(path);
    const { mode } = statSync(path);
    if ((mode & 0o077) !== 0) throw new StorageError("unwritable", `${path} holds the key of ${sealed.of} and can be read by others. Run: chmod 600 ${path}`);
    const key = Buffer.from(readFileSync(path, "utf8").trim(), "base64url");
    if (key.length !== KEY_BYTES) throw new StorageError("corrupt", `${path} holds no key. ${sealed.lost}`);
    return key;
  } catch (error) {
    throw error instanceof StorageError ? error : new StorageError("unwritable", `the key of ${sealed.of}, ${path}, cannot be read or made: ${messageOf(error)}.`);
  }
}

function makeKey(path: string): void {
  // Never over an existing one: what it opens would be lost.
  const file = openSync(path, "wx", 0o600);
  try {
    writeSync(file, `${randomBytes(KEY_BYTES).toString("base64url")}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
