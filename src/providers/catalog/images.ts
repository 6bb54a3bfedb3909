/**
 * The most tokens that one image can cost, by model. Only models that can cost more than the bound's default of 6,240,
 * or are known to cost less, stand here. Upper bounds at the highest detail setting, not estimates.
 */
const RULES: readonly (readonly [RegExp, number])[] = [
  // 2,833 + 5,667 per tile, at most 8 tiles after scaling.
  [/^gpt-4o-mini/, 48_200],
  // Patches at original detail: at most 10,000, times the model's factor.
  [/^gpt-5\.[4-9]|^gpt-[6-9]/, 16_400],
  // The first generation bills at most 1,600; high-resolution models (from Opus 4.7) at most 4,784.
  [/^claude-/, 4_800],
  // Dynamic resolution: up to 16,384 patches unless the host lowers it.
  [/^qwen.*(?:vl|omni)|^qwen3\.[5-9]|^qwen[4-9]/, 16_400],
];

/** Upper bound for one image of this model in tokens, or undefined where the bound's default holds. */
export function maxTokensPerImage(canonical: string): number | undefined {
  // Most names can be told apart by their first letter.
  if (!"cgq".includes(canonical.charAt(0))) return undefined;
  return RULES.find(([pattern]) => pattern.test(canonical))?.[1];
}
