/** How it is told what of a budget is taken, though not spent. */
import { usdShort } from "../../wire/money.ts";
import type { Balance } from "./types.ts";

/** `$0.2 is held for calls under way`, `$1 is granted to joined gateways`, both or none. */
export function takenWords({ heldNanoUsd, grantedNanoUsd = 0 }: Balance): readonly string[] {
  const here = heldNanoUsd - grantedNanoUsd;
  return [...(here > 0 ? [`$${usdShort(here)} is held for calls under way`] : []), ...(grantedNanoUsd > 0 ? [`$${usdShort(grantedNanoUsd)} is granted to joined gateways`] : [])];
}

/** `a, b and c`. */
export function listed(words: readonly string[]): string {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}
