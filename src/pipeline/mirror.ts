/**
 * Copies of served requests go to a candidate that the owner wants to learn of. A copy starts when the request has its record, has a
 * hold and a charge of its own, and nobody reads its answer. It is the organisation's, not the caller's: it takes nothing of a key's
 * or a team's budgets and limits, and has a cap of its own for each day.
 */
import { Allowance } from "../decide/allowance.ts";
import { isChosen, MIRROR_FLAG } from "../decide/canary.ts";
import type { Route } from "../decide/deployment.ts";
import { MirrorCap } from "../decide/mirror-cap.ts";
import type { Caller, ClientReply, Ledger, RequestRecord, ReserveResult, StateStore } from "../ports.ts";
import type { ParsedByClient } from "../providers/dialects/client.ts";
import { isObject, type JsonObject } from "../wire/json.ts";
import { isOpenTo } from "./canary.ts";
import type { Deps } from "./deps.ts";
import type { Inbound } from "./inbound.ts";

/** Copies under way at a time; what comes beyond is not copied. */
const AT_ONCE = 16;
/** Each copy keeps its request's body in memory. */
const BODY_BYTES_MAX = 1 << 20;

/** One that runs, as far as it can be stopped. */
export interface Running {
  stopNow(): void;
}

/** Whether a request may be copied, and with what. */
export interface Copied {
  readonly parsed: Extract<ParsedByClient, { kind: "request" }>;
  readonly body: JsonObject;
  /** It asks for what is done or billed beside the answer itself: tools of the provider, other tiers. */
  readonly beyond: boolean;
}

/** All mirrors of a gateway. */
export class Mirrors {
  readonly #caps = new Map<string, MirrorCap>();
  readonly #running = new Set<Running>();
  readonly #allowance = new Allowance();
  #starting = 0;
  #stopped = false;
  /** More may be spent than is noted on disk. */
  onSpending: (() => void) | null = null;

  /** What the mirror of a route has spent; the caps of routes that have none any more stay until the process ends. */
  capOf(route: string): MirrorCap {
    let cap = this.#caps.get(route);
    if (cap === undefined) this.#caps.set(route, (cap = new MirrorCap()));
    return cap;
  }

  get underWay(): number {
    return this.#starting + this.#running.size;
  }

  /** Is this request one of the share that is copied? */
  takes({ requestId, caller, header, body }: Pick<Inbound, "requestId" | "caller" | "header" | "body">, route: Route, copied: Copied): boolean {
    const { mirror } = route;
    if (mirror === undefined || !isChosen(requestId, `mirror ${route.name} ${mirror.terms.use}`, mirror.terms.share)) return false;
    return body.length <= BODY_BYTES_MAX && isOpenTo(mirror.deployment, { caller, header }) && isHarmless(copied);
  }

  /** The parts of a request that is to be copied: `start` is called with those of the copy once it was served whole. */
  watching(deps: Deps, inbound: Inbound, route: Route, start: (deps: Deps, inbound: Inbound, route: Route) => Running | null): Deps {
    const append = (record: RequestRecord): void => {
      deps.records.append(record);
      if (record.outcome === "ok") this.#copy(deps, inbound, route, start);
    };
    return { ...deps, records: { append } };
  }

  /** The process stops: no copy starts any more, and those under way end and are booked. */
  stop(): void {
    this.#stopped = true;
    for (const one of this.#running) one.stopNow();
  }

  #copy(deps: Deps, inbound: Inbound, route: Route, start: (deps: Deps, inbound: Inbound, route: Route) => Running | null): void {
    const { mirror } = route;
    if (mirror === undefined || this.#stopped || this.underWay >= AT_ONCE) return;
    this.#starting += 1;
    // In a turn of its own: the request's last byte is to leave before any work for the copy.
    deps.clock.after(0, () => {
      this.#starting -= 1;
      if (this.#stopped) return;
      let running: Running | null = null;
      let over = false;
      const done = (): void => {
        over = true;
        if (running !== null) this.#running.delete(running);
      };
      try {
        running = start(this.#depsOf(deps, inbound, route), { ...inbound, requestId: deps.ids.requestId(), caller: payer(inbound.caller, route.name), reply: new NoReply(), done }, toMirror(route));
        if (running !== null && !over) this.#running.add(running);
      } catch (problem) {
        deps.log.error("mirror_failed", { route: route.name, error: problem instanceof Error ? (problem.stack ?? problem.message) : String(problem) });
      }
    });
  }

  #depsOf(deps: Deps, { requestId }: Inbound, { name, mirror }: Route): Deps {
    const { clock, random, upstream, images, budgets, background, log, health, ids, snapshot, limits, instance } = deps;
    const maxNanoUsd = mirror?.terms.maxNanoUsdPerDay ?? 0;
    const append = (record: RequestRecord): void => {
      // A copy that was never sent is no request; one that was is in no caller's list of its own requests.
      if (record.attempts.some(({ outcome }) => outcome !== "unheld")) deps.records.append({ ...record, key: MIRROR_FLAG, flags: [...record.flags, MIRROR_FLAG], decision: { ...record.decision, mirror_of: requestId } });
    };
    // Without limits on pace, importance, and all that a route learns; its repeats are paid for by nobody.
    return {
      clock, random, upstream, background, log, health, ids, snapshot, limits, instance, allowance: this.#allowance, state: NOTHING_KEPT, reasoning: NOTHING_KEPT, records: { append },
      ledger: this.#capped(deps, name, maxNanoUsd), ...(images === undefined ? {} : { images }), ...(budgets === undefined ? {} : { budgets }),
    };
  }

  /** The ledger, but for what the day's cap leaves no room for. */
  #capped({ ledger, clock }: Deps, route: string, maxNanoUsd: number): Ledger {
    const cap = this.capOf(route);
    const held = new Map<string, number>();
    const forget = (attemptId: string, costNanoUsd: number): void => {
      const bound = held.get(attemptId);
      held.delete(attemptId);
      if (bound !== undefined) cap.settle(bound, costNanoUsd, clock.wallMs());
    };
    return {
      reserve: async ([hold, ...others]) => {
        const bound = hold?.unmetered === true ? 0 : (hold?.boundNanoUsd ?? null);
        if (hold === undefined || others.length > 0 || !cap.reserve(bound, maxNanoUsd, clock.wallMs())) return [overCap(route)];
        held.set(hold.attemptId, bound ?? 0);
        if (cap.toBeNoted(maxNanoUsd)) this.onSpending?.();
        const results = await ledger.reserve([hold]);
        if (results[0]?.kind !== "held") forget(hold.attemptId, 0);
        return results;
      },
      settle: async (charges) => {
        for (const { attemptId, costNanoUsd } of charges) forget(attemptId, costNanoUsd ?? 0);
        await ledger.settle(charges);
      },
      progress: (marks) => ledger.progress(marks),
      writable: () => ledger.writable(),
    };
  }
}

function overCap(route: string): ReserveResult {
  return { kind: "refused", code: "budget_exceeded", scope: `route/${route}`, message: "The mirror's cap for today is reached.", resetsAtMs: null };
}

/** Of what a copy may be made without anything happening twice in the world: only what asks for words, or for calls of the client's own functions. */
function isHarmless({ parsed: { request, onlyHere }, body, beyond }: Copied): boolean {
  if (beyond || onlyHere.length > 0 || ACTING.some((field) => body[field] !== undefined)) return false;
  return request.tools.every((tool) => tool.kind === "function" || (isObject(tool.raw) && tool.raw["type"] === "custom"));
}
/** Fields by which a provider does more than answer, in any of the protocols. */
const ACTING = ["mcp_servers", "web_search_options", "search_parameters", "plugins", "connectors", "container", "background", "conversation", "previous_response_id"] as const;

/** The organisation pays; the tag tells such calls apart in listings of what was spent. */
function payer({ tenant, key, scopes }: Caller, route: string): Caller {
  const own = scopes.filter((scope) => scope.startsWith("tenant/"));
  return { tenant, key, scopes: [...own, `tag/${MIRROR_FLAG}=${route}`], tags: { [MIRROR_FLAG]: route } };
}

function toMirror(route: Route): Route {
  const { name, mirror, clocks, forwardHeaders, defaultMaxOutput, lenient } = route;
  const candidates = mirror === undefined ? [] : [{ deployment: mirror.deployment, weight: 1, automatic: false }];
  return { name, candidates, strategy: "priority", clocks, keepalive: false, forwardHeaders, defaultMaxOutput, automatic: false, ...(lenient === undefined ? {} : { lenient }) };
}

/** Takes an answer that nobody reads. */
class NoReply implements ClientReply {
  status = 0;

  head(status: number): void {
    this.status = status;
  }

  write(): boolean {
    return true;
  }

  end(): void {
    this.status ||= 200;
  }

  destroy(): void {
    this.status ||= 502;
  }

  onGone(): void {
    this.status ||= 0;
  }

  onDrain(): void {
    this.status ||= 0;
  }
}

/** A copy leaves nothing behind for its caller. */
const NOTHING_KEPT: StateStore = { mode: "off", put: () => Promise.resolve(false), get: () => Promise.resolve(undefined), delete: () => Promise.resolve(false) };
