/** The store of managed objects for tests and for gateways that keep nothing: it ends with its process. */
import type { Actor, ApplyResult, AuditLine, Change, StoredObject } from "../control/types.ts";
import { ControlMirror } from "./control-mirror.ts";
import { NO_LINES, planChanges, verifyChain, type Shown } from "./control-plan.ts";
import { publish, type ControlListener, type ControlOptions, type OpenControlStore } from "./control.ts";

export class MemoryControlStore implements OpenControlStore {
  readonly #mirror = new ControlMirror();
  readonly #lines: AuditLine[] = [];
  readonly #listeners: ControlListener[] = [];
  readonly #wallMs: () => number;
  readonly #shown: Shown;

  constructor(options: Pick<ControlOptions, "wallMs" | "shown"> = {}) {
    this.#wallMs = options.wallMs ?? Date.now;
    this.#shown = options.shown ?? (() => ({}));
  }

  get(kind: string, id: string): StoredObject | undefined {
    return this.#mirror.get(kind, id);
  }

  list(kind: string, options: { readonly tenant?: string; readonly after?: string; readonly limit: number }): readonly StoredObject[] {
    return this.#mirror.list(kind, options);
  }

  all(kind: string): Iterable<StoredObject> {
    return this.#mirror.all(kind);
  }

  apply(changes: readonly Change[], actor: Actor, action: string): ApplyResult {
    const plan = planChanges(changes, { reads: this.#mirror, actor, action, nowMs: this.#wallMs(), head: this.#lines.at(-1) ?? NO_LINES, shown: this.#shown });
    if (plan.kind === "refused") return plan;
    this.#lines.push(...plan.lines);
    return publish(plan, this.#mirror, this.#listeners);
  }

  audit(options: { readonly after: number; readonly limit: number; readonly tenant?: string }): readonly AuditLine[] {
    const { after, limit, tenant } = options;
    return this.#lines.filter((line) => line.sequence > after && (tenant === undefined || line.tenant === tenant)).slice(0, limit);
  }

  verifyAudit(): { readonly sequence: number; readonly problem: string } | null {
    return verifyChain(this.#lines, this.#lines.at(-1) ?? NO_LINES);
  }

  onChange(listener: ControlListener): void {
    this.#listeners.push(listener);
  }

  close(): void {
    this.#listeners.length = 0;
  }
}
