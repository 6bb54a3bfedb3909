/** The ledger in memory behind gates: holds and charges wait, fail or are refused as a test says. */
import type { Charge, Hold, Ledger, Mark, ReserveResult } from "../ports.ts";
import { MemoryLedger } from "../storage/memory.ts";

type Gate = { readonly open: () => void; readonly passed: Promise<void> };

export class GatedLedger implements Ledger {
  readonly memory: MemoryLedger;
  readonly holds: Hold[] = [];
  readonly charges: Charge[] = [];
  /** What the next holds are answered; `held` when it runs out. */
  readonly answers: ReserveResult[] = [];
  /** Charges are refused. */
  unwritable = false;
  #holdGate: Gate | null = null;
  #chargeGate: { readonly deployment: string | null; readonly gate: Gate } | null = null;
  readonly #told: (event: string) => void;

  constructor(wallMs: () => number, told: (event: string) => void) {
    this.memory = new MemoryLedger({ wallMs });
    this.#told = told;
  }

  /** From now on holds wait until the gate is opened. */
  holdBackHolds(): () => void {
    const gate = newGate();
    this.#holdGate = gate;
    return gate.open;
  }

  /** From now on charges (of this deployment, or all) wait until the gate is opened. */
  holdBackCharges(deployment: string | null = null): () => void {
    const gate = newGate();
    this.#chargeGate = { deployment, gate };
    return gate.open;
  }

  async reserve(holds: readonly Hold[]): Promise<readonly ReserveResult[]> {
    this.holds.push(...holds);
    for (const hold of holds) this.#told(`hold ${hold.deployment.split("/")[0]}`);
    await this.#holdGate?.passed;
    const results: ReserveResult[] = [];
    for (const hold of holds) {
      const answer = this.answers.shift();
      results.push(answer ?? ((await this.memory.reserve([hold]))[0] as ReserveResult));
    }
    return results;
  }

  async settle(charges: readonly Charge[]): Promise<void> {
    for (const charge of charges) {
      const name = this.nameOf(charge.attemptId);
      if (this.#chargeGate !== null && (this.#chargeGate.deployment === null || this.#chargeGate.deployment === name)) await this.#chargeGate.gate.passed;
      if (this.unwritable) throw new Error("the disk is full");
      await this.memory.settle([charge]);
      this.charges.push(charge);
      this.#told(`charge ${name}`);
    }
  }

  progress(marks: readonly Mark[]): Promise<void> {
    return this.memory.progress(marks);
  }

  writable(): boolean {
    return !this.unwritable;
  }

  /** Which provider an attempt was for. */
  nameOf(attemptId: string): string {
    return this.holds.find((hold) => hold.attemptId === attemptId)?.deployment.split("/")[0] ?? "?";
  }
}

function newGate(): Gate {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { open: resolve, passed: promise };
}
