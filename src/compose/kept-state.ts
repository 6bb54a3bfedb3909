/** The stores of what is kept for callers between their requests. */
import type { Config } from "../config/types.ts";
import type { Log, StateStore } from "../ports.ts";
import type { DataDir } from "../storage/data-dir.ts";
import { openState } from "../storage/state.ts";

export interface KeptState {
  readonly responses: StateStore;
  readonly reasoning: StateStore;
  /** Whole answers, for repeats of requests with an Idempotency-Key; kept as responses are. */
  readonly answers: StateStore;
  close(): void;
}

/** Reasoning is small and soon of no use; answers must not take its room, nor it theirs. */
const REASONING_BYTES = 64 << 20;
const ANSWERS_BYTES = 64 << 20;

/** Open them. There is one encrypted file, which serves for all of them. Throws StorageError. */
export function openKeptState(config: Config, dataDir: DataDir, log: Log): KeptState {
  const file = { path: dataDir.statePath, keyPath: dataDir.stateKeyPath, key: config.responses.key?.reveal() ?? null, log };
  const responses = openState({ ...file, mode: config.responses.store });
  const mode = config.reasoningState.store;
  const shared = mode === "encrypted" && responses.store.mode === mode;
  const reasoning = shared ? responses : openState({ ...file, mode, ...(mode === "memory" ? { bounds: { bytes: REASONING_BYTES } } : {}) });
  const answers = responses.store.mode === "memory" ? openState({ ...file, mode: "memory", bounds: { bytes: ANSWERS_BYTES } }) : responses;
  return {
    responses: responses.store,
    reasoning: reasoning.store,
    answers: answers.store,
    close: () => {
      for (const open of new Set([responses, reasoning, answers])) open.close();
    },
  };
}
