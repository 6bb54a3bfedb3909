/** The most that a batch of messages can cost: the bounds of its requests, each as if it were sent alone, added up. */
import { batchBoundNanoUsd, inputBoundTokens } from "../decide/bound.ts";
import type { Deployment } from "../decide/deployment.ts";
import { unpriced, withExtras } from "../decide/extras.ts";
import { measureText } from "../providers/dialects/chat-surface.ts";
import { clientOf } from "../providers/dialects/clients.ts";
import { isObject, type Json } from "../wire/json.ts";
import { beyondMeasure, unboundedProblem } from "./beyond.ts";
import { hiddenBytes } from "./hidden-bytes.ts";
import type { Inbound } from "./inbound.ts";

export interface BatchedCall {
  /** As a request of its own would have them for its body. */
  readonly params: Json | undefined;
  /** How long they are. */
  readonly bytes: number;
  readonly deployment: Deployment;
}

/** null as soon as one is not known, or not metered. */
export function boundOfBatch(calls: readonly BatchedCall[], header: Inbound["header"], wallMs: number): number | null {
  let sum = 0;
  for (const call of calls) {
    const bound = boundOf(call, header, wallMs);
    if (bound === null) return null;
    sum += bound;
  }
  return Number.isSafeInteger(sum) ? sum : null;
}

function boundOf({ params, bytes, deployment }: BatchedCall, header: Inbound["header"], wallMs: number): number | null {
  const client = clientOf("messages");
  const factor = deployment.provider.batchPriceFactor;
  if (!isObject(params)) return null;
  const { extras, unbounded } = unboundedProblem(client, params, undefined);
  if (unbounded === true || (extras !== undefined && unpriced(deployment, extras, wallMs) !== null)) return null;
  const parsed = client.parse(params, { model: undefined, stream: undefined, query: "", header });
  if (parsed.kind === "error") return null;
  const measure = measureText(parsed.request);
  const textBytes = measure.textBytes + Math.max(client.unseenBytes?.(params) ?? 0, hiddenBytes(bytes, measure, parsed.request));
  const plain = {
    inputTokens: inputBoundTokens(beyondMeasure({ ...measure, textBytes }, { extras }), deployment.model, deployment.contextWindow),
    outputTokens: parsed.request.maxOutputTokens ?? deployment.maxOutput,
    choiceCount: parsed.request.choiceCount,
  };
  const size = extras === undefined ? plain : withExtras(plain, extras);
  return batchBoundNanoUsd(deployment.pricing, size, { wallMs, ...(factor === undefined ? {} : { factor }) });
}
