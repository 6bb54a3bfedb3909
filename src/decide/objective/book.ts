/**
 * All objectives that are kept watch over: of routes, of keys and teams, of providers' contracts. Takes each finished request once,
 * says how every objective stands, which alerts changed, and what a route's error budget has it do. Pure but for its own state.
 */
import { isObject, type Json, type JsonObject } from "../../wire/json.ts";
import { coversDeployment, runsAt } from "../contract/covers.ts";
import type { Contract } from "../contract/types.ts";
import { BurnAlerts, type BurnAlert, type BurnEvent } from "./alerts.ts";
import { concerns } from "./concerns.ts";
import { classOf, judge, judgeCall, ServedMinutes, type Finished, type FinishedCall, type Verdict } from "./judge.ts";
import { objectiveOfContract } from "./of-contract.ts";
import { budgetEffects, NO_EFFECTS, type BudgetEffects, type ErrorBudgetPolicy } from "./policy.ts";
import type { Objective, ScopedObjectives } from "./types.ts";
import { BURN_SPANS_MS, ObjectiveWindows, type BurnSpan, type Standing } from "./windows.ts";

/** What is promised, and by whom. */
export interface Promised {
  readonly routes: readonly { readonly name: string; readonly objectives: readonly Objective[]; readonly errorBudget: ErrorBudgetPolicy }[];
  readonly scoped: readonly ScopedObjectives[];
  readonly contracts: readonly Contract[];
}

/** A finished request, as far as it is looked at. */
export interface FinishedRequest extends Finished {
  readonly route: string;
  readonly attempts: readonly (FinishedCall & { readonly deployment: string })[];
}

export type OwnerKind = "route" | "scope" | "contract";
export interface Owner {
  readonly kind: OwnerKind;
  readonly id: string;
  /** Of the requests that it is about; empty for a contract, which is about calls. */
  readonly scopes: readonly string[];
}

/** How an objective stands now. */
export interface Watched {
  readonly owner: Owner;
  readonly objective: Objective;
  readonly standing: Standing;
  readonly burn: Readonly<Record<BurnSpan, number>>;
  readonly alerts: readonly BurnAlert[];
}
export interface OwnedEvent {
  readonly owner: Owner;
  readonly objective: Objective;
  readonly event: BurnEvent;
  readonly left: number;
}

interface Tracked {
  readonly owner: Owner;
  readonly objective: Objective;
  readonly windows: ObjectiveWindows;
  readonly alerts: BurnAlerts;
  readonly minutes: ServedMinutes | null;
}
interface TrackedContract {
  readonly contract: Contract;
  readonly tracked: Tracked;
  /** Deployment → is it covered; bounded. */
  readonly covers: Map<string, boolean>;
}

/** More deployments of one account than this are names that were made up. */
const COVERS_MAX = 4_096;
const NOTHING: readonly Tracked[] = [];

export class ObjectiveBook {
  #all = new Map<string, Tracked>();
  #ofRoute = new Map<string, readonly Tracked[]>();
  #policies = new Map<string, ErrorBudgetPolicy>();
  #scoped: readonly { readonly scopes: readonly string[]; readonly tracked: readonly Tracked[] }[] = [];
  #contracts: readonly TrackedContract[] = [];
  readonly #effects = new Map<string, BudgetEffects>();
  /** Saved by another run, for the first `configure`. */
  #saved: JsonObject = {};
  /** Taken out by a `configure`, or begun anew under another meaning: their alerts are over, which nobody was told yet. */
  #gone: Tracked[] = [];

  /** Nothing is promised at all. */
  get empty(): boolean {
    return this.#all.size === 0;
  }

  /** Are there objectives for which the scopes of a request have to be known? */
  get needsScopes(): boolean {
    return this.#scoped.length > 0;
  }

  /** What is promised from now on. What was counted of a promise that still means the same goes on. */
  configure({ routes, scoped, contracts }: Promised): void {
    const before = this.#all;
    this.#all = new Map();
    const track = (owner: Owner, objectives: readonly Objective[]): readonly Tracked[] => objectives.map((objective) => this.#track(owner, objective, before));
    this.#ofRoute = new Map(routes.filter(({ objectives }) => objectives.length > 0).map(({ name, objectives }) => [name, track({ kind: "route", id: name, scopes: [`route/${name}`] }, objectives)]));
    this.#policies = new Map(routes.map(({ name, errorBudget }) => [name, errorBudget]));
    this.#scoped = scoped.map(({ id, scopes, objectives }) => ({ scopes, tracked: track({ kind: "scope", id, scopes }, objectives) }));
    this.#contracts = contracts.flatMap((contract): TrackedContract[] => {
      const objective = objectiveOfContract(contract);
      if (objective === null) return [];
      return [{ contract, tracked: this.#track({ kind: "contract", id: contract.id, scopes: [] }, objective, before), covers: new Map() }];
    });
    this.#saved = {};
    for (const [key, tracked] of before) {
      const now = this.#all.get(key);
      if (now === undefined || meaningOf(now.objective) !== meaningOf(tracked.objective)) this.#gone.push(tracked);
    }
    for (const name of this.#effects.keys()) if (!this.#ofRoute.has(name)) this.#effects.delete(name);
  }

  /** A request ended. `scopes`: whose it is, and its tags; looked at only where `needsScopes` says so. */
  recorded(request: FinishedRequest, scopes: readonly string[], wallMs: number): void {
    const ofRoute = this.#ofRoute.get(request.route) ?? NOTHING;
    if (ofRoute.length > 0 || this.#scoped.length > 0) {
      const kind = classOf(request);
      const count = (tracked: Tracked): void => counted(tracked, tracked.minutes === null ? judge(tracked.objective, request, kind) : tracked.minutes.add(tracked.objective, request, kind, wallMs), wallMs);
      for (const tracked of ofRoute) count(tracked);
      for (const one of this.#scoped) if (concerns(one.scopes, scopes, request.route)) for (const tracked of one.tracked) count(tracked);
    }
    if (this.#contracts.length > 0) for (const call of request.attempts) this.#called(call, wallMs);
  }

  /** Look at all alerts, and at what error budgets have routes do; to be asked every ten seconds. */
  evaluate(wallMs: number): readonly OwnedEvent[] {
    const events: OwnedEvent[] = [];
    for (const { owner, objective, windows, alerts, minutes } of this.#all.values()) {
      if (minutes !== null) counted({ windows }, minutes.over(objective, wallMs), wallMs);
      for (const event of alerts.evaluate(windows, wallMs)) events.push({ owner, objective, event, left: windows.standing(wallMs).left });
    }
    for (const [name, tracked] of this.#ofRoute) {
      const left = tracked.reduce((least, { windows }) => Math.min(least, windows.standing(wallMs).left), 1);
      this.#effects.set(name, budgetEffects(this.#policies.get(name) ?? { steps: [] }, left, this.#effects.get(name)));
    }
    return events;
  }

  /** Alerts that are over because what they are about is no longer promised, or no longer so; each is told once. To be asked after `configure`. */
  ended(wallMs: number): readonly OwnedEvent[] {
    const gone = this.#gone;
    this.#gone = [];
    return gone.flatMap(({ owner, objective, windows, alerts }) => alerts.end(windows, wallMs).map((event) => ({ owner, objective, event, left: windows.standing(wallMs).left })));
  }

  /** What a route's error budget has it do, by the last look. */
  effectsOf(route: string): BudgetEffects {
    return this.#effects.get(route) ?? NO_EFFECTS;
  }

  /** Windows of a route's objective, for the choice. */
  windowsOf(route: string, objective: string): ObjectiveWindows | undefined {
    return this.#all.get(keyOf({ kind: "route", id: route }, objective))?.windows;
  }

  /** How all stand, in the order of the configuration. */
  watched(wallMs: number): readonly Watched[] {
    return Array.from(this.#all.values(), ({ owner, objective, windows, alerts }) => ({
      owner, objective, standing: windows.standing(wallMs), alerts: alerts.states(windows, wallMs),
      burn: Object.fromEntries((Object.keys(BURN_SPANS_MS) as BurnSpan[]).map((span) => [span, windows.burn(span, wallMs)])) as Record<BurnSpan, number>,
    }));
  }

  save(): JsonObject {
    return { version: 1, objectives: Object.fromEntries(Array.from(this.#all, ([key, { objective, windows, alerts }]) => [key, { means: meaningOf(objective), windows: windows.save(), alerts: alerts.save() }])) };
  }

  /** Before the first `configure`. */
  restore(saved: Json | null): void {
    const { version, objectives } = isObject(saved) ? saved : {};
    if (version === 1 && isObject(objectives)) this.#saved = objectives;
  }

  #track(owner: Owner, objective: Objective, before: ReadonlyMap<string, Tracked>): Tracked {
    const key = keyOf(owner, objective.name);
    const known = before.get(key);
    if (known !== undefined && known.objective.target === objective.target && meaningOf(known.objective) === meaningOf(objective)) {
      const same = { ...known, owner, objective };
      this.#all.set(key, same);
      return same;
    }
    const saved = known === undefined ? this.#saved[key] : { means: meaningOf(known.objective), windows: known.windows.save(), alerts: known.alerts.save() };
    const windows = new ObjectiveWindows(objective);
    const alerts = new BurnAlerts();
    const same = isObject(saved) && saved["means"] === meaningOf(objective);
    if (same) {
      windows.restore(saved["windows"] ?? null);
      alerts.restore(saved["alerts"] ?? null);
    }
    const minutes = objective.kind !== "throughput" ? null : same && known !== undefined ? known.minutes : new ServedMinutes();
    const tracked: Tracked = { owner, objective, windows, alerts, minutes };
    this.#all.set(key, tracked);
    return tracked;
  }

  #called(call: FinishedCall & { readonly deployment: string }, wallMs: number): void {
    for (const { contract, tracked, covers } of this.#contracts) {
      let covered = covers.get(call.deployment);
      if (covered === undefined) {
        if (covers.size >= COVERS_MAX) covers.clear();
        covers.set(call.deployment, (covered = coversDeployment(contract, call.deployment)));
      }
      if (covered && runsAt(contract, wallMs)) counted(tracked, judgeCall(call), wallMs);
    }
  }
}

function counted({ windows }: Pick<Tracked, "windows">, verdict: Verdict, wallMs: number): void {
  if (verdict !== null) windows.add(verdict === "good", wallMs);
}

function keyOf({ kind, id }: Pick<Owner, "kind" | "id">, objective: string): string {
  return `${kind}/${id} ${objective}`;
}

/** What counts as valid and good, and over which window; a new target is asked of what was counted already. */
function meaningOf({ kind, window, within, atLeast, unit }: Objective): string {
  return JSON.stringify({ kind, window, within, atLeast, unit });
}
