/** What an encoder learns on the way: what could not be carried (warnings) and what this target cannot do at all. */
import type { Unsupported } from "../dialect.ts";

export interface Notes {
  readonly warnings: Set<string>;
  /** The first thing that makes the request impossible here; later ones add nothing. */
  refusal: Unsupported | undefined;
}

/** Empty notes for one request. */
export function newNotes(): Notes {
  return { warnings: new Set(), refusal: undefined };
}

/** Note a sentence for `x-spillway-warning`; each is told once however often it applies. */
export function warn(notes: Notes, sentence: string): void {
  notes.warnings.add(sentence);
}

/** Note that this target cannot serve the request because of `param`, written as a client would write it. */
export function refuse(notes: Notes, param: string, message: string): void {
  notes.refusal ??= { kind: "unsupported", param, message };
}
