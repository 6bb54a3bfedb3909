/**
 * What is believed of the candidates at the moment of a choice, for its record and for whoever asks beforehand: how likely each fails, how
 * many calls say so, and what a strategy orders by. Nothing is made of it for a request that has one candidate.
 */
import type { Candidate, Choice } from "../decide/choose.ts";
import { expectedNanoUsd } from "../decide/balance/expected.ts";
import { OUTPUT_TOKENS_PRIOR } from "../decide/balance/route-book.ts";
import type { RequestShape, Route } from "../decide/deployment.ts";
import type { CallFacts } from "../decide/health/book.ts";
import { sizeClassOf } from "../decide/observed/types.ts";
import type { JsonObject } from "../wire/json.ts";
import type { Deps } from "./deps.ts";

/** The request that is chosen for. */
export interface Asked {
  readonly route: Route;
  readonly shape: Pick<RequestShape, "endpoint" | "stream" | "inputEstimateTokens" | "maxOutputTokens" | "choiceCount" | "writesTokens">;
  /** What its calls are slow against; absent: nothing. */
  readonly pace?: CallFacts | undefined;
}

/**
 * Of each candidate that no plan tells of already. Times are looked up only where `fastest` ordered by them: they are the dear part.
 * undefined: there was nothing to choose.
 */
export function believedOf(deps: Deps, asked: Asked, { candidates, plan }: Choice): readonly JsonObject[] | undefined {
  const count = candidates.length;
  if (count < 2 || plan?.scores.length === count) return undefined;
  const believed: JsonObject[] = [];
  for (let i = 0; i < count; i++) {
    if (plan?.scores.some(({ candidate }) => candidate === i) !== true) believed.push(estimateJson(deps, asked, candidates[i] as Candidate, false));
  }
  return believed;
}

/** Of one candidate. `whole`: with its times, whatever the order is made by. */
export function estimateJson(deps: Deps, { route, shape, pace }: Asked, { deployment, trial }: Candidate, whole: boolean): JsonObject {
  const { health, clock, routes } = deps;
  const nowMs = clock.nowMs();
  const { thresholdMs = 0, wholeMs = 0 } = pace ?? {};
  const { id } = deployment;
  const { strategy } = route;
  const estimate = health.estimate(id, shape.endpoint, thresholdMs, sizeClassOf(shape.inputEstimateTokens), nowMs, wholeMs);
  const memory = routes?.all().get(route.name);
  // As long an answer as the route is used to, which is what strategies reckon with too.
  const output = shape.writesTokens === false ? 0 : Math.min(memory?.outputTokens ?? OUTPUT_TOKENS_PRIOR, shape.maxOutputTokens ?? Number.POSITIVE_INFINITY) * shape.choiceCount;
  const told: { [name: string]: string | number | null } = { deployment: id, fails_before: rounded(estimate.failsBefore), fails_after: rounded(estimate.failsAfter) };
  if (thresholdMs > 0 || wholeMs > 0) told["slow"] = rounded(estimate.slow);
  told["calls"] = rounded(estimate.calls);
  if (whole || strategy === "fastest") told["first_content_p50_ms"] = wholeOf(estimate.quantile(0.5));
  if (whole) told["first_content_p95_ms"] = wholeOf(estimate.quantile(0.95));
  if (strategy === "fastest" && shape.endpoint === "chat") {
    const { speeds } = memory ?? {};
    if (!shape.stream) told["token_ms"] = hundredths(speeds?.tokenMs(id) ?? null);
    else if (speeds?.mixed === true) told["first_content_recent_ms"] = hundredths(speeds.firstMs(id));
  }
  if (strategy === "least-busy") told["load_ms"] = wholeOf(health.loadMs(id, shape.endpoint, nowMs));
  if ((strategy === "weighted" || strategy === "sticky") && trial !== true) told["weight"] = route.candidates.find((one) => one.deployment === deployment)?.weight ?? 1;
  told["price_nano_usd"] = wholeOf(expectedNanoUsd(deployment.pricing, shape.inputEstimateTokens, output, clock.wallMs()));
  return told;
}

function rounded(value: number): number {
  return Math.round(value * 1e6) / 1e6;
}

function hundredths(value: number | null): number | null {
  return value === null ? null : Math.round(value * 100) / 100;
}

function wholeOf(value: number | null): number | null {
  return value === null || !Number.isFinite(value) ? null : Math.round(value);
}
