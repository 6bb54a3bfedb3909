/** Opens the store of state that a configuration asks for. */
import type { Log, StateMode, StateStore } from "../ports.ts";
import type { StateBounds } from "./state-bounds.ts";
import { EncryptedState } from "./state-encrypted.ts";
import { stateKeyFile, stateKeyOf } from "./state-key.ts";
import { MemoryState } from "./state-memory.ts";
import { STATE_OFF } from "./state-off.ts";

export interface StateSettings {
  readonly mode: StateMode;
  /** Of the encrypted file. */
  readonly path: string;
  /** Where the secret stands, or is made, if the owner gives none. */
  readonly keyPath: string;
  /** The owner's own secret. */
  readonly key: string | null;
  readonly log: Log;
  /** In place of the usual ones. */
  readonly bounds?: Partial<StateBounds>;
}

export interface OpenState {
  readonly store: StateStore;
  close(): void;
}

const SWEEP_MS = 60_000;

/** Open it. Expired entries are swept each minute. Throws StorageError. */
export function openState(settings: StateSettings): OpenState {
  if (settings.mode === "off") return { store: STATE_OFF, close: () => undefined };
  const { path, keyPath, key, log, bounds = {} } = settings;
  const store = settings.mode === "memory" ? new MemoryState(bounds) : new EncryptedState(path, { secret: key === null ? stateKeyFile(keyPath) : stateKeyOf(key), log, bounds });
  const sweeping = setInterval(() => store.sweep(), SWEEP_MS).unref();
  return {
    store,
    close: () => {
      clearInterval(sweeping);
      store.close();
    },
  };
}
