/** Keeps nothing. */
import type { StateStore } from "../ports.ts";

export const STATE_OFF: StateStore = {
  mode: "off",
  put: () => Promise.resolve(false),
  get: () => Promise.resolve(undefined),
  delete: () => Promise.resolve(false),
};
