/**
 * Probes of our own: a tiny request to a deployment that rested or that nobody called, on the way that every request takes, with a hold
 * and a charge. The organisation pays, up to a cap of its own for each day; what they come to is health's, and no promise is judged by them.
 */
import { Allowance } from "../decide/allowance.ts";
import { DEFAULT_CLOCKS, type Deployment, type Route } from "../decide/deployment.ts";
import { isProbeDue, PROBE_FLAG, type ProbeTerms } from "../decide/health/due.ts";
import { MirrorCap } from "../decide/mirror-cap.ts";
import type { ClientReply, Ledger, ReserveResult, StateStore } from "../ports.ts";
import { serveChat } from "./chat.ts";
import type { Deps, Snapshot } from "./deps.ts";
import type { Exchange } from "./exchange.ts";

/** Under way at a time. */
const AT_ONCE = 4;
const DEADLINE_MS = 30_000;
const BODY = new TextEncoder().encode(JSON.stringify({ model: PROBE_FLAG, messages: [{ role: "user", content: "Reply with the word OK." }], max_completion_tokens: 16 }));
const CALLER = { tenant: "default", key: PROBE_FLAG, scopes: ["tenant/default", `tag/${PROBE_FLAG}=yes`], tags: { [PROBE_FLAG]: "yes" } };
const KEEPS_NOTHING: StateStore = { mode: "off", put: () => Promise.resolve(false), get: () => Promise.resolve(undefined), delete: () => Promise.resolve(false) };

export class Probing {
  /** What was spent today. */
  readonly cap = new MirrorCap();
  readonly #allowance = new Allowance();
  /** By deployment: when it was probed last, or first looked at. */
  readonly #lastMs = new Map<string, number>();
  readonly #running = new Set<Exchange>();
  #underWay = 0;

  /** Probes are under way. */
  get isBusy(): boolean {
    return this.#underWay > 0;
  }

  /** The process stops: what is under way is ended and booked. */
  stop(): void {
    for (const one of this.#running) one.stopNow();
  }

  /** Ask what is due among the candidates of these routes. To be called every second or so. */
  look(deps: Deps, terms: ProbeTerms, routes: readonly string[]): void {
    const nowMs = deps.clock.nowMs();
    const snapshot = deps.snapshot();
    const seen = new Map<string, Deployment>();
    for (const name of routes) {
      const found = snapshot.directory.resolve(name);
      if (found.kind === "route") for (const { deployment } of found.route.candidates) if (deployment.model === null || deployment.model.type === "chat") seen.set(deployment.id, deployment);
    }
    for (const id of this.#lastMs.keys()) if (!seen.has(id)) this.#lastMs.delete(id);
    for (const [id, deployment] of seen) {
      const probedMs = this.#lastMs.get(id);
      if (probedMs === undefined) this.#lastMs.set(id, nowMs);
      if (probedMs === undefined || nowMs - probedMs < terms.everyMs || this.#underWay >= AT_ONCE) continue;
      const view = deps.health.view(id, deployment.account, "chat", nowMs);
      if (!isProbeDue(view, Math.max(probedMs, deps.health.calledMs(id, "chat") ?? 0), terms.everyMs, nowMs)) continue;
      this.#lastMs.set(id, nowMs);
      this.#ask(deps, snapshot, deployment, terms);
    }
  }

  #ask(deps: Deps, snapshot: Snapshot, deployment: Deployment, terms: ProbeTerms): void {
    const { clock, random, upstream, background, log, health, ids, limits, instance, budgets } = deps;
    const route: Route = {
      name: PROBE_FLAG, candidates: [{ deployment, weight: 1, automatic: false }], strategy: "priority", clocks: { ...DEFAULT_CLOCKS, deadlineMs: DEADLINE_MS },
      keepalive: false, forwardHeaders: [], defaultMaxOutput: 16, automatic: false, single: true,
    };
    this.#underWay += 1;
    const alone: Deps = {
      clock, random, upstream, background, log, health, ids, limits, instance, allowance: this.#allowance, state: KEEPS_NOTHING, reasoning: KEEPS_NOTHING,
      snapshot: deps.snapshot, ledger: this.#capped(deps, terms), ...(budgets === undefined ? {} : { budgets }),
      records: {
        append: (record) => {
          // One that was never sent, for want of money, is no request.
          if (record.attempts.some(({ outcome }) => outcome !== "unheld")) deps.records.append({ ...record, flags: [...record.flags, PROBE_FLAG] });
        },
      },
    };
    let running: Exchange | null = null;
    const done = (): void => {
      this.#underWay -= 1;
      if (running !== null) this.#running.delete(running);
    };
    const ours: Snapshot = { ...snapshot, transport: (one) => snapshot.transport(one), directory: { resolve: () => ({ kind: "route", route, trace: [] }), callable: () => [] } };
    const reply = new UnreadReply(done);
    serveChat(alone, { requestId: ids.requestId(), caller: CALLER, body: BODY, asked: { surface: "chat", model: undefined, stream: undefined, query: "" }, header: () => undefined, reply, done: () => undefined, snapshot: ours }, (exchange) => {
      running = exchange;
      if (exchange !== null) this.#running.add(exchange);
    });
  }

  /** The ledger, as far as the day's cap goes. */
  #capped({ ledger, clock }: Deps, { maxNanoUsdPerDay }: ProbeTerms): Ledger {
    const held = new Map<string, number>();
    const settled = (attemptId: string, costNanoUsd: number): void => {
      const bound = held.get(attemptId);
      held.delete(attemptId);
      if (bound !== undefined) this.cap.settle(bound, costNanoUsd, clock.wallMs());
    };
    return {
      reserve: async (holds) => {
        const [hold] = holds;
        const bound = hold?.unmetered === true ? 0 : (hold?.boundNanoUsd ?? null);
        if (hold === undefined || !this.cap.reserve(bound, maxNanoUsdPerDay, clock.wallMs())) return holds.map(() => OVER_CAP);
        held.set(hold.attemptId, bound ?? 0);
        const results = await ledger.reserve(holds);
        if (results[0]?.kind !== "held") settled(hold.attemptId, 0);
        return results;
      },
      settle: async (charges) => {
        for (const { attemptId, costNanoUsd } of charges) settled(attemptId, costNanoUsd ?? 0);
        await ledger.settle(charges.map((charge) => ({ ...charge, flags: [...charge.flags, PROBE_FLAG] })));
      },
      progress: (marks) => ledger.progress(marks),
      writable: () => ledger.writable(),
    };
  }
}

const OVER_CAP: ReserveResult = { kind: "refused", code: "budget_exceeded", scope: `route/${PROBE_FLAG}`, message: "What probes may cost in a day is spent.", resetsAtMs: null };

/** Takes an answer that nobody reads; tells of its end once. */
class UnreadReply implements ClientReply {
  status = 0;
  readonly #ended: () => void;
  #over = false;

  constructor(ended: () => void) {
    this.#ended = ended;
  }

  head(status: number): void {
    this.status = status;
  }
  write(): boolean {
    return true;
  }
  end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#ended();
  }
  destroy(): void {
    this.end();
  }
  onGone(): void {
    this.status ||= 0;
  }
  onDrain(): void {
    this.status ||= 0;
  }
}
