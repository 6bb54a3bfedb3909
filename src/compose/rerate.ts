/** Which calls of a time would cost something else by the prices of that time as they are known now. Reads, and changes nothing. */
import { buildSnapshot, type Snapshot } from "../config/snapshot.ts";
import type { Config } from "../config/types.ts";
import { fits } from "../decide/contract/covers.ts";
import type { Contract } from "../decide/contract/types.ts";
import type { Deployment } from "../decide/deployment.ts";
import type { PriceBook } from "../decide/price-book.ts";
import { rerate, type LeftWhy } from "../decide/rerate.ts";
import type { CatalogueLookups } from "../decide/supply.ts";
import { billedEntries } from "../providers/billed-entries.ts";
import type { Adjustment } from "../storage/adjust.ts";
import type { AttemptReader } from "../storage/attempts.ts";
import type { ProviderFacts } from "../wire/facts.ts";

export interface RerateOrder {
  /** `account/model`, or a model as the provider calls it; `*` stands for any run of characters. */
  readonly model: string;
  readonly fromMs: number;
  readonly toMs: number;
}
/** A call that is to cost something else. */
export interface ReratedCall extends Adjustment {
  readonly deployment: string;
  readonly atMs: number;
  readonly period: string;
  readonly wasVersion: string | null;
}
export interface RerateWorld {
  readonly config: Config;
  readonly catalogue: CatalogueLookups;
  readonly providers: ReadonlyMap<string, ProviderFacts>;
  readonly book: PriceBook;
  /** Managed contracts. */
  readonly contracts: readonly Contract[];
}

/** Looks up what deployments cost from an instant on. */
export function deploymentsFrom({ config, catalogue, providers, book, contracts }: RerateWorld, fromMs: number): (id: string) => Deployment | null {
  // With the first instant as "now", all later lists stand behind the one in force.
  const snapshot: Pick<Snapshot, "deployments" | "directory"> = buildSnapshot(config, catalogue, providers, { book, wallMs: fromMs }, { stored: contracts });
  return (id) => {
    const slash = id.indexOf("/");
    return snapshot.deployments.get(id) ?? snapshot.directory.at?.(id.slice(0, slash), id.slice(slash + 1)) ?? null;
  };
}

/** Go through the calls of an order; `left` counts those that stay for a reason. */
export function* reratedCalls(world: RerateWorld, attempts: Pick<AttemptReader, "between">, { model, fromMs, toMs }: RerateOrder, left: Map<LeftWhy | "same", number>): Generator<ReratedCall> {
  const deploymentOf = deploymentsFrom(world, fromMs);
  const meant = new Map<string, boolean>();
  for (const view of attempts.between({ fromMs, toMs })) {
    const { attemptId, deployment, atMs, period, costNanoUsd, state, units, priceVersion } = view;
    let is = meant.get(deployment);
    if (is === undefined) meant.set(deployment, (is = fits(model, deployment) || fits(model, deployment.slice(deployment.indexOf("/") + 1))));
    if (!is) continue;
    const found = rerate(view, deploymentOf(deployment)?.pricing ?? { kind: "unknown" }, state === "charged" ? billedEntries(view.rawUsage) : undefined);
    if (found.kind !== "corrected") {
      const why = found.kind === "same" ? "same" : found.why;
      left.set(why, (left.get(why) ?? 0) + 1);
      continue;
    }
    const { costNanoUsd: cost, flags } = found;
    yield { attemptId, deployment, atMs, period, wasNanoUsd: costNanoUsd, wasVersion: priceVersion, costNanoUsd: cost, priceVersion: found.priceVersion, state: state === "estimated" ? "estimated" : "charged", units, flags };
  }
}
