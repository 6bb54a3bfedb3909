/** Where managed objects stand in a data folder, and the key that their secrets are sealed with. */
import { join, resolve } from "node:path";
import { StateCipher } from "./state-cipher.ts";
import { stateKeyFile } from "./state-key.ts";

/** The file of managed objects. */
export function controlPathOf(folder: string): string {
  return join(resolve(folder), "control.db");
}

const SEALED = { of: "provider credentials", lost: "Remove it and enter the credentials of control.db anew; they are lost with it." };

/** Seals what provider credentials are kept as; the key stands in the data folder, made where there is none. Throws StorageError. */
export function controlCipher(folder: string): StateCipher {
  return new StateCipher(stateKeyFile(join(resolve(folder), "control.key"), SEALED));
}
