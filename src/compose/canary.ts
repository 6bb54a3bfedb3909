/**
 * Canaries and mirrors of a running gateway: which of them take requests now, what they were seen to do, kept in the data folder, and
 * the word to people when one is rolled back.
 */
import { join } from "node:path";
import type { Config, RouteConfig } from "../config/types.ts";
import { burnOf, CANARY_FLAG, CanaryTrial, MIRROR_FLAG, type Arm, type ArmStanding, type FirstCall, type Rollback } from "../decide/canary.ts";
import type { Directory } from "../decide/names.ts";
import { OWN_ADDRESS_FLAG } from "../decide/objective/judge.ts";
import type { BudgetEffects } from "../decide/objective/policy.ts";
import type { Deps } from "../pipeline/deps.ts";
import type { Trials } from "../pipeline/canary.ts";
import { Mirrors } from "../pipeline/mirror.ts";
import type { AttemptRecord, Clock, FeedbackGiven, Log, RequestRecord } from "../ports.ts";
import { JsonFile } from "../storage/json-file.ts";
import { isObject, member, type Json, type JsonObject } from "../wire/json.ts";
import { usdText } from "../wire/money.ts";
import type { Notice } from "../wire/notice.ts";

const SAVE_EVERY_MS = 60_000;

export interface CanaryParts {
  readonly clock: Pick<Clock, "wallMs">;
  readonly log: Log;
  readonly folder: string;
  readonly config: () => Pick<Config, "routes">;
  readonly directory: () => Pick<Directory, "resolve">;
  /** What a route's error budget has it do now. */
  readonly effectsOf: (route: string) => BudgetEffects;
  readonly notify: (notice: Notice) => void;
}

/** What a mirror was seen to do since the process began. */
interface Seen {
  calls: number;
  failed: number;
}

export class Canaries implements Trials {
  readonly mirrors = new Mirrors();
  readonly #parts: CanaryParts;
  readonly #file: JsonFile;
  readonly #trials = new Map<string, CanaryTrial>();
  #configured = new Map<string, RouteConfig>();
  /** Route → its canary, by the name that records have for it. */
  #deployments = new Map<string, string>();
  #copied = new Map<string, Seen>();
  #saved: Json;
  #timer: NodeJS.Timeout | null = null;

  constructor(parts: CanaryParts) {
    this.#parts = parts;
    this.#file = new JsonFile(join(parts.folder, "canary.json"), "canary", parts.log);
    this.#saved = this.#file.load();
    this.mirrors.onSpending = () => this.#save(true);
    this.reloaded();
  }

  start(): void {
    this.#timer ??= setInterval(() => this.#save(true), SAVE_EVERY_MS).unref();
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    this.#save(this.mirrors.underWay > 0);
  }

  /** Another configuration is in force. A trial that goes on keeps what was counted of it. */
  reloaded(): void {
    const { config, clock, directory } = this.#parts;
    this.#configured = new Map(config().routes.filter(({ canary, mirror }) => canary !== undefined || mirror !== undefined).map((route) => [route.name, route]));
    for (const [name, trial] of this.#trials) this.#saved = withTrial(this.#saved, name, trial.save());
    this.#trials.clear();
    this.#deployments.clear();
    for (const [name, { canary, mirror, objectives }] of this.#configured) {
      const found = directory().resolve(name);
      if (found.kind === "route" && found.route.canary !== undefined) this.#deployments.set(name, found.route.canary.deployment.id);
      if (canary !== undefined) this.#trials.set(name, new CanaryTrial(canary, objectives, clock.wallMs(), member(member(this.#saved, "canaries"), name)));
      if (mirror === undefined || this.#copied.has(name)) continue;
      this.#copied.set(name, { calls: 0, failed: 0 });
      this.mirrors.capOf(name).restore(member(member(this.#saved, "mirrors"), name));
    }
  }

  takes(route: string): boolean {
    const trial = this.#trials.get(route);
    return trial !== undefined && trial.rolledBack === null && !this.#parts.effectsOf(route).freezeCanaries;
  }

  /** A request ended. Nothing at all where nothing is tried. */
  recorded(record: RequestRecord): void {
    if (this.#configured.size === 0) return;
    const { route, flags, attempts } = record;
    if (isCopy(record)) return this.#mirrored(route, attempts);
    const trial = this.#trials.get(route);
    if (trial === undefined || flags.includes(OWN_ADDRESS_FLAG)) return;
    const arm: Arm = flags.includes(CANARY_FLAG) ? "canary" : "rest";
    const first = attempts[0];
    const tried = first !== undefined && (arm === "rest" || first.deployment === this.#deployments.get(route));
    const rested = arm === "canary" && !tried && first !== undefined && restedIn(record);
    const rollback = trial.add({ arm, stream: record.stream, call: tried ? firstCall(first) : null, rested, costNanoUsd: record.costNanoUsd }, this.#parts.clock.wallMs());
    if (rollback !== null) this.#rolledBack(route, trial, rollback);
  }

  /** What the pipeline needs of trials; its feedback as it was, and heard here. */
  parts(feedback: NonNullable<Deps["feedback"]>): Required<Pick<Deps, "feedback" | "trials" | "mirrors">> {
    const add = (given: FeedbackGiven): boolean => {
      const taken = feedback.add(given);
      if (taken) this.scored(given);
      return taken;
    };
    return { feedback: { ...feedback, add }, trials: this, mirrors: this.mirrors };
  }

  /** Somebody said what an answer was worth. */
  scored({ route, deployment, score }: Pick<FeedbackGiven, "route" | "deployment" | "score">): void {
    const trial = route === null ? undefined : this.#trials.get(route);
    if (trial === undefined || route === null || deployment === null) return;
    const rollback = trial.score(deployment === this.#deployments.get(route) ? "canary" : "rest", score, this.#parts.clock.wallMs());
    if (rollback !== null) this.#rolledBack(route, trial, rollback);
  }

  /** How all stand. */
  listing(): { readonly canaries: readonly JsonObject[]; readonly mirrors: readonly JsonObject[] } {
    return { canaries: [...this.#trials].map(([route, trial]) => this.#trialJson(route, trial)), mirrors: this.#mirrorsJson() };
  }

  /** `""`: how all stand; `resume <route>`; `promote <route>`: what to write into the configuration. */
  command(argument: string): JsonObject {
    if (argument === "") return { ...this.listing() };
    const space = argument.indexOf(" ");
    const [what, route] = [argument.slice(0, space), argument.slice(space + 1)];
    const trial = this.#trials.get(route);
    const config = this.#configured.get(route);
    if (trial === undefined || config === undefined) return { error: `the route ${route} has no canary` };
    if (what === "promote") return { ...this.#trialJson(route, trial), yaml: promotedYaml(config) };
    if (what !== "resume") return { error: `unknown command canary ${what}` };
    if (trial.rolledBack === null) return { error: `the canary of ${route} was not rolled back` };
    const anew = trial.resumed(this.#parts.clock.wallMs());
    this.#trials.set(route, anew);
    this.#save(true);
    this.#parts.log.info("canary_resumed", { route, deployment: trial.terms.use });
    return this.#trialJson(route, anew);
  }

  #rolledBack(route: string, { terms }: CanaryTrial, { atMs, why, reason, fields }: Rollback): void {
    this.#save(true);
    this.#parts.log.warn("canary_rolled_back", { route, deployment: terms.use, why, ...fields });
    this.#parts.notify({
      kind: "canary_rolled_back", severity: "warning", title: `The canary of route ${route} was rolled back: ${terms.use}`,
      text: `It takes no more requests: ${reason}. To try it again: spillway canary resume ${route}.`,
      fields: { route, deployment: terms.use, why, ...fields }, dedupKey: `canary/${route}/${terms.use}/${atMs}`, atMs, tenant: "default", scopes: [`route/${route}`],
    });
  }

  #mirrored(route: string, attempts: readonly AttemptRecord[]): void {
    const seen = this.#copied.get(route);
    if (seen === undefined) return;
    seen.calls += 1;
    if (attempts[0]?.outcome !== "answered") seen.failed += 1;
  }

  #trialJson(route: string, trial: CanaryTrial): JsonObject {
    const wallMs = this.#parts.clock.wallMs();
    const { terms, startedMs, rolledBack } = trial;
    const [canary, rest] = [trial.arm("canary"), trial.arm("rest")];
    const frozen = this.#parts.effectsOf(route).freezeCanaries;
    return {
      route, use: terms.use, share: terms.share, min_requests: terms.minRequests, rollback: { ...terms.rollback },
      state: rolledBack !== null ? "rolled_back" : frozen ? "frozen" : canary.requests < terms.minRequests ? "collecting" : "ready",
      since: new Date(startedMs).toISOString(),
      canary: armJson(canary), rest: armJson(rest),
      cost_ratio: ratio(meanCost(canary), meanCost(rest)),
      objectives: trial.burns(wallMs).map((one) => ({ objective: one.objective.name, span: one.span, canary: { ...one.canary, burn: burnOf(one.canary, one.objective) }, rest: { ...one.rest, burn: burnOf(one.rest, one.objective) } })),
      rolled_back: rolledBack === null ? null : { at: new Date(rolledBack.atMs).toISOString(), why: rolledBack.why, reason: rolledBack.reason, ...rolledBack.fields },
    };
  }

  #mirrorsJson(): JsonObject[] {
    const wallMs = this.#parts.clock.wallMs();
    return [...this.#configured.values()].flatMap(({ name, mirror }): JsonObject[] => {
      if (mirror === undefined) return [];
      const { calls, failed } = this.#copied.get(name) ?? { calls: 0, failed: 0 };
      return [{ route: name, use: mirror.use, share: mirror.share, calls, failed, spent_today_usd: usdText(this.mirrors.capOf(name).spentNanoUsd(wallMs)), max_usd_per_day: usdText(mirror.maxNanoUsdPerDay) }];
    });
  }

  /** `running`: copies may still be under way when it is read. */
  #save(running: boolean): void {
    if (this.#configured.size === 0) return;
    for (const [name, trial] of this.#trials) this.#saved = withTrial(this.#saved, name, trial.save());
    const canaries = member(this.#saved, "canaries");
    // What is not configured any more is forgotten.
    const kept = Object.fromEntries(Object.entries(isObject(canaries) ? canaries : {}).filter(([name]) => this.#trials.has(name)));
    const mirrors = Object.fromEntries([...this.#copied.keys()].map((name) => [name, this.mirrors.capOf(name).save(running)]));
    this.#saved = { version: 1, canaries: kept, mirrors };
    this.#file.save(this.#saved);
  }
}

/** Is it the record of a copy that nobody saw? */
export function isCopy({ flags }: Pick<RequestRecord, "flags">): boolean {
  return flags.length > 0 && flags.includes(MIRROR_FLAG);
}

function withTrial(saved: Json, name: string, trial: JsonObject): JsonObject {
  const all = isObject(saved) ? saved : {};
  const canaries = all["canaries"];
  return { ...all, canaries: { ...(isObject(canaries) ? canaries : {}), [name]: trial } };
}

function firstCall({ outcome, flags, ttftMs, totalMs, units }: AttemptRecord): FirstCall {
  return { outcome, flags, ttftMs, totalMs, units };
}

/** Did the canary, which stands first, rest when the request began? */
function restedIn({ decision }: RequestRecord): boolean {
  const candidates = decision["candidates"];
  const health = Array.isArray(candidates) ? member(candidates[0], "health") : undefined;
  return health === "resting" || health === "probing";
}

function armJson(arm: ArmStanding): JsonObject {
  const mean = meanCost(arm);
  return { requests: arm.requests, cost_per_request_usd: mean === null ? null : usdText(Math.round(mean)), scores: arm.count, mean_score: arm.count === 0 ? null : Math.round((1_000 * arm.sum) / arm.count) / 1_000 };
}

function meanCost({ priced, costNanoUsd }: ArmStanding): number | null {
  return priced === 0 ? null : costNanoUsd / priced;
}

function ratio(a: number | null, b: number | null): number | null {
  return a === null || b === null || b === 0 ? null : Math.round((100 * a) / b) / 100;
}

/** The route's lines with the canary as its first candidate. */
function promotedYaml({ name, canary, candidates }: RouteConfig): string {
  const quoted = (text: string): string => (/^[A-Za-z][\w./-]*$/.test(text) ? text : JSON.stringify(text));
  const line = ({ use, weight }: RouteConfig["candidates"][number]): string => (weight === 1 ? `      - ${quoted(use)}\n` : `      - { use: ${quoted(use)}, weight: ${weight} }\n`);
  const all = [{ use: canary?.use ?? "", weight: 1 }, ...candidates];
  return `routes:\n  ${quoted(name)}:\n    candidates:\n${all.map(line).join("")}    # and take out canary:\n`;
}
