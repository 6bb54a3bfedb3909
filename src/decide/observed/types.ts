/** What a deployment's own recent calls say of its next one. */

/** Chances are in [0, 1]; times in ms from the moment at which a call is sent to its first content. */
export interface Estimate {
  /** It fails before any content. */
  readonly failsBefore: number;
  /** It breaks after content. */
  readonly failsAfter: number;
  /** Its content, or where that was asked for its end, comes later than the threshold that was asked for; 0 where none was. */
  readonly slow: number;
  /** Calls that stand behind `failsBefore`, decayed: 0 says that it is all prior. */
  readonly calls: number;
  readonly meanMs: number;
  readonly medianMs: number;
  /** How likely its content comes later than `ms`. */
  later(ms: number): number;
  /** By when a share of its calls has content: `quantile(0.96)`. null: nothing is known of its times. */
  quantile(share: number): number | null;
  /** Mean of what is beyond `ms`, given that it takes longer. */
  meanBeyondMs(ms: number): number;
}

/** Prompts are told apart by size, since their times are: up to 1,000 tokens, 4,000, 16,000, more. */
export type SizeClass = 0 | 1 | 2 | 3;

/** The class of a prompt of about so many tokens. */
export function sizeClassOf(inputTokens: number): SizeClass {
  return inputTokens <= 1_000 ? 0 : inputTokens <= 4_000 ? 1 : inputTokens <= 16_000 ? 2 : 3;
}
