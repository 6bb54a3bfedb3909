/** The store of managed objects for tests and for gateways that keep nothing: it ends with its process. */
import type { AuditLine } from "../control/types.ts";
import { ControlMirror } from "./control-mirror.ts";
import { NO_LINES, verifyChain, type AuditHead, type ChangePlan } from "./control-plan.ts";
import { MirroredStore, type ControlOptions } from "./control.ts";

export class MemoryControlStore extends MirroredStore {
  readonly #lines: AuditLine[] = [];

  constructor(options: Pick<ControlOptions, "wallMs" | "shown"> = {}) {
    super(new ControlMirror(), options);
  }

  audit(options: { readonly after: number; readonly limit: number; readonly tenant?: string }): readonly AuditLine[] {
    const { after, limit, tenant } = options;
    return this.#lines.filter((line) => line.sequence > after && (tenant === undefined || line.tenant === tenant)).slice(0, limit);
  }

  verifyAudit(): { readonly sequence: number; readonly problem: string } | null {
    return verifyChain(this.#lines, this.head());
  }

  close(): void {
    this.listeners.length = 0;
  }

  protected head(): AuditHead {
    return this.#lines.at(-1) ?? NO_LINES;
  }

  protected write(plan: ChangePlan): null {
    this.#lines.push(...plan.lines);
    return null;
  }
}
