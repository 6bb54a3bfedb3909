/**
 * What a chat asks for beyond tokens at the standard rate: other tiers and places, the provider's tools, more answers than
 * come back. What can be bounded goes into the bound of each candidate; what cannot is refused under a limit, and named else.
 */
import type { PromptMeasure } from "../decide/bound.ts";
import type { Spending } from "../decide/cap.ts";
import type { Choice } from "../decide/choose.ts";
import type { RequestShape } from "../decide/deployment.ts";
import { unpriced } from "../decide/extras.ts";
import type { ClientDialect } from "../providers/dialects/client.ts";
import type { GatewayError } from "../wire/errors.ts";
import type { Extras } from "../wire/extras.ts";
import type { JsonObject } from "../wire/json.ts";
import { uncovered, unboundedFieldsProblem } from "./spending.ts";

export interface Beyond {
  readonly warnings: readonly string[];
  readonly error: GatewayError | null;
  /** What can be bounded; undefined: nothing is asked, or nothing of it can. */
  readonly extras?: Extras | undefined;
  /** Something cannot: no bound is known of such a call. */
  readonly unbounded?: true;
}
const NOTHING: Beyond = { warnings: [], error: null };
const NO_WARNINGS: readonly string[] = [];

/** Look at the price-bearing fields of a body. Most have none, and are done with here. */
export function unboundedProblem(client: ClientDialect, raw: JsonObject, spending: Spending | undefined): Beyond {
  const fields = client.unboundedFields(raw);
  if (fields.length === 0) return NOTHING;
  const extras = client.extrasOf?.(raw);
  const rest = extras === undefined ? fields : fields.filter((field) => !extras.fields.includes(field));
  const problem = unboundedFieldsProblem(rest, spending);
  return { ...problem, extras, ...(rest.length === 0 ? {} : { unbounded: true }) };
}

/** The shape that candidates are bounded by. */
export function beyondShape(shape: RequestShape, { extras, unbounded }: Beyond): RequestShape {
  if (extras === undefined) return unbounded === undefined ? shape : { ...shape, unbounded };
  return { ...shape, extras, choiceCount: Math.max(shape.choiceCount, extras.choiceCount ?? 1), ...(unbounded === undefined ? {} : { unbounded }) };
}

/** The prompt as the model reads it, once or several times. */
export function beyondMeasure(measure: PromptMeasure, { extras }: Pick<Beyond, "extras">): PromptMeasure {
  return extras?.windows === undefined ? measure : { ...measure, unsized: true, windows: extras.windows };
}

/** Where nothing limits the request, a candidate without a price for what is asked is no reason to refuse it, but one to say so. */
export function unpricedWarning({ candidates }: Choice, { extras }: Beyond, spending: Spending | undefined, wallMs: number): readonly string[] {
  if (extras === undefined || spending !== undefined) return NO_WARNINGS;
  return candidates.some((one) => unpriced(one.deployment, extras, wallMs) !== null) ? [uncovered(extras.fields)] : NO_WARNINGS;
}
