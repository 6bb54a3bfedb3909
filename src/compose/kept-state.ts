/** The stores of what is kept for callers between their requests. */
import type { Config } from "../config/types.ts";
import type { Log, StateStore } from "../ports.ts";
import type { DataDir } from "../storage/data-dir.ts";
import { openState } from "../storage/state.ts";

export interface KeptState {
  readonly responses: StateStore;
  readonly reasoning: StateStore;
  close(): void;
}

/** Reasoning is small and soon of no use; answers must not take its room, nor it theirs. */
const REASONING_BYTES = 64 << 20;

/** Open them. There is one encrypted file, which serves for both. Throws StorageError. */
export function openKeptState(config: Config, dataDir: DataDir, log: Log): KeptState {
  const file = { path: dataDir.statePath, keyPath: dataDir.stateKeyPath, key: config.responses.key?.reveal() ?? null, log };
  const responses = openState({ ...file, mode: config.responses.store });
  const mode = config.reasoningState.store;
  if (mode === "encrypted" && responses.store.mode === mode) return { responses: responses.store, reasoning: responses.store, close: () => responses.close() };
  const reasoning = openState({ ...file, mode, ...(mode === "memory" ? { bounds: { bytes: REASONING_BYTES } } : {}) });
  return {
    responses: responses.store,
    reasoning: reasoning.store,
    close: () => {
      responses.close();
      reasoning.close();
    },
  };
}
