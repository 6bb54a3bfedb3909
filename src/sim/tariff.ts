/**
 * What calls to a deployment cost in a simulation: by the plain price of a world, or by the pricing of a configured deployment, with
 * its contract's discounts, volume steps, quotas and capacity, counted on virtual time by the code that counts them in the gateway.
 */
import { expectedNanoUsd } from "../decide/balance/expected.ts";
import { underContract } from "../decide/contract/charge.ts";
import { runsAt } from "../decide/contract/covers.ts";
import { ContractMeter, tokensOf, weightedMilli } from "../decide/contract/meter.ts";
import type { Contract } from "../decide/contract/types.ts";
import type { Deployment, Pricing } from "../decide/deployment.ts";
import { priceUsage } from "../decide/price.ts";
import type { UnitCounts } from "../wire/usage.ts";

export interface Tariff {
  /** null: a plain price. Its meters are those that `charged` counts with. */
  readonly pricing: Pricing | null;
  /** A call that was given up before content costs its prompt. */
  readonly billsAborted: boolean;
  /** Nano-dollars, for ordering only: whether capacity or a quota covers it is not looked at. */
  expected(inputTokens: number, outputTokens: number, wallMs: number): number;
  /** Nano-dollars of a call that was sent at `wallMs` and is over; counted with its contract. */
  charged(inputTokens: number, writtenTokens: number, wallMs: number): number;
  /** The contract serves nothing beyond what it covers, and this call is. Asked once for each call, when it is sent. */
  refuses(inputTokens: number, outputTokens: number, wallMs: number): boolean;
}

export interface ListPrice {
  readonly inputNanoUsdPerToken: number;
  readonly outputNanoUsdPerToken: number;
  readonly requestNanoUsd: number;
}

/** A plain price. */
export function listTariff(price: ListPrice): Tariff {
  const of = (inputTokens: number, outputTokens: number): number => price.requestNanoUsd + inputTokens * price.inputNanoUsdPerToken + outputTokens * price.outputNanoUsdPerToken;
  return { pricing: null, billsAborted: true, expected: of, charged: of, refuses: () => false };
}

/** A price by deployment: the world's own, or else what the configuration agreed on. Fresh meters, so one for each policy that is played. */
export function agreedTariffs(deployments: readonly { readonly deployment: Deployment; readonly price: ListPrice | null }[]): readonly Tariff[] {
  const meters = new Map<Contract, ContractMeter>();
  const truths = new Map<Contract, ContractMeter>();
  const meterIn = (made: Map<Contract, ContractMeter>, contract: Contract): ContractMeter => {
    let meter = made.get(contract);
    if (meter === undefined) made.set(contract, (meter = new ContractMeter(contract)));
    return meter;
  };
  return deployments.map(({ deployment, price }) => {
    if (price !== null) return listTariff(price);
    const { pricing } = deployment;
    const contracts = pricing.kind === "sheet" ? (pricing.meters ?? []).map(({ contract }) => contract) : [];
    const own: Pricing = pricing.kind === "sheet" && contracts.length > 0 ? { ...pricing, meters: contracts.map((one) => meterIn(meters, one)) } : pricing;
    return new AgreedTariff(own, contracts.map((one) => meterIn(truths, one)), deployment.provider.billsOnAbort === "input");
  });
}

class AgreedTariff implements Tariff {
  readonly pricing: Pricing;
  readonly billsAborted: boolean;
  /** What the provider counts itself, from the moment a call is sent. */
  readonly #truths: readonly ContractMeter[];

  constructor(pricing: Pricing, truths: readonly ContractMeter[], billsAborted: boolean) {
    this.pricing = pricing;
    this.#truths = truths;
    this.billsAborted = billsAborted;
  }

  expected(inputTokens: number, outputTokens: number, wallMs: number): number {
    return expectedNanoUsd(this.pricing, inputTokens, outputTokens, wallMs) ?? 0;
  }

  charged(inputTokens: number, writtenTokens: number, wallMs: number): number {
    const units: UnitCounts = { input: inputTokens, output: Math.round(writtenTokens) };
    const { costNanoUsd } = priceUsage(this.pricing, { units, raw: null }, { wallMs });
    return underContract({ state: "charged", outcome: "answered", units, rawUsage: null, costNanoUsd, flags: NO_FLAGS }, this.pricing, wallMs).costNanoUsd ?? 0;
  }

  refuses(inputTokens: number, outputTokens: number, wallMs: number): boolean {
    for (const truth of this.#truths) {
      const { contract } = truth;
      const { terms } = contract;
      if ((terms.kind !== "provisioned" && terms.kind !== "free_quota") || terms.beyond !== "refused" || !runsAt(contract, wallMs)) continue;
      const units: UnitCounts = { input: inputTokens, output: outputTokens };
      const room = truth.room(wallMs);
      const tokens = terms.kind === "provisioned" ? Math.max(...terms.pools.map((pool) => weightedMilli(pool, units) / 1_000)) : tokensOf(units);
      if (room === null || (room.tokens !== null && tokens > room.tokens) || (room.requests !== null && room.requests < 1)) return true;
      truth.take(units, wallMs);
      return false;
    }
    return false;
  }
}

const NO_FLAGS: readonly string[] = [];
