/**
 * Objectives of a running gateway: takes each finished request, keeps what was counted in the data folder, looks at the alerts every
 * ten seconds and tells people, and says how every objective stands.
 */
import { join } from "node:path";
import { watchedJson } from "../admin/objectives.ts";
import type { Config } from "../config/types.ts";
import { callerOf } from "../control/callers.ts";
import type { ControlStore } from "../control/types.ts";
import type { Contract } from "../decide/contract/types.ts";
import { MIRROR_FLAG } from "../decide/canary.ts";
import { PROBE_FLAG } from "../decide/health/due.ts";
import { EVALUATE_EVERY_MS } from "../decide/objective/alerts.ts";
import { ObjectiveBook, type FinishedRequest, type Watched } from "../decide/objective/book.ts";
import type { BudgetEffects } from "../decide/objective/policy.ts";
import type { Clock, Log } from "../ports.ts";
import { JsonFile } from "../storage/json-file.ts";
import type { Asker, OutcomeBook } from "../storage/outcomes.ts";
import type { Endings } from "../storage/outcomes-recovery.ts";
import { asString, isObject, type Json, type JsonObject } from "../wire/json.ts";
import type { Notice } from "../wire/notice.ts";
import { burnNotice } from "./objective-notice.ts";

const SAVE_EVERY_MS = 60_000;
/** So many requests at most are counted again at a start: those of a minute, and of an hour where no file could be written. */
const RECOVERED_MAX = 200_000;
/** Keys whose scopes are known at hand. */
const KEYS_MAX = 10_000;

export interface ObjectiveParts {
  readonly clock: Pick<Clock, "wallMs">;
  readonly log: Log;
  readonly folder: string;
  readonly config: () => Pick<Config, "routes" | "objectives">;
  readonly contracts: () => readonly Contract[];
  readonly store: Pick<ControlStore, "get" | "onChange">;
  readonly notify: (notice: Notice) => void;
  /** Counts for reports, by the same promises. */
  readonly outcomes: Pick<OutcomeBook, "promise">;
  /** Where requests are recorded: what a killed process had counted and not kept. Absent: nowhere. */
  readonly endings?: Endings;
}

export class Objectives {
  readonly book = new ObjectiveBook();
  readonly #parts: ObjectiveParts;
  readonly #file: JsonFile;
  readonly #scopes = new Map<string, readonly string[]>();
  #timer: NodeJS.Timeout | null = null;
  #savedAtMs = Number.NEGATIVE_INFINITY;

  constructor(parts: ObjectiveParts) {
    this.#parts = parts;
    this.#file = new JsonFile(join(parts.folder, "objectives.json"), "objectives", parts.log);
    const saved = this.#file.load();
    this.book.restore(saved);
    parts.store.onChange((changes) => {
      if (changes.some(({ kind }) => kind === "key" || kind === "project")) this.#scopes.clear();
    });
    this.reloaded();
    this.#recover(saved);
  }

  start(): void {
    // What error budgets have routes do is in force from the first request on.
    this.tick();
    this.#timer ??= setInterval(() => this.tick(), EVALUATE_EVERY_MS).unref();
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    if (!this.book.empty) this.#save();
  }

  /** Another configuration or other contracts are in force. */
  reloaded(): void {
    const { routes, objectives } = this.#parts.config();
    this.book.configure({ routes, scoped: objectives, contracts: this.#parts.contracts() });
    const wallMs = this.#parts.clock.wallMs();
    for (const event of this.book.ended(wallMs)) this.#parts.notify(burnNotice(event, wallMs, true));
    this.#parts.outcomes.promise(routes.map((route) => [route.name, route.objectives] as const), { promises: objectives, scopesOf: (asker) => this.scopesOf(asker) });
  }

  /** A request ended. Nothing at all where nothing is promised, and no promise is about probes of our own. */
  recorded(record: FinishedRequest & Asker): void {
    if (this.book.empty || record.flags.includes(PROBE_FLAG)) return;
    this.book.recorded(record, this.book.needsScopes ? this.scopesOf(record) : NONE, this.#parts.clock.wallMs());
  }

  /** One look at the alerts; once a minute what was counted is kept, and at once what was told: a process that dies tells nothing twice. */
  tick(): void {
    if (this.book.empty) return;
    const wallMs = this.#parts.clock.wallMs();
    const events = this.book.evaluate(wallMs);
    for (const event of events) this.#parts.notify(burnNotice(event, wallMs));
    if (events.length === 0 && wallMs - this.#savedAtMs < SAVE_EVERY_MS && wallMs >= this.#savedAtMs) return;
    this.#savedAtMs = wallMs;
    this.#save();
  }

  #save(): void {
    this.#file.save({ ...this.book.save(), place: this.#parts.endings?.place() ?? null });
  }

  /** Counts again what was recorded after the counts were kept, each request at its end. */
  #recover(saved: Json | null): void {
    const place = isObject(saved) ? saved["place"] : null;
    const { endings, log, clock } = this.#parts;
    if (endings === undefined || typeof place !== "number" || this.book.empty) return;
    let requests = 0;
    try {
      for (const request of endings.since(place, RECOVERED_MAX)) {
        if (request.flags.includes(PROBE_FLAG) || request.flags.includes(MIRROR_FLAG)) continue;
        this.book.recorded(request, this.book.needsScopes ? this.scopesOf(request) : NONE, Math.min(clock.wallMs(), request.atMs + request.totalMs));
        requests++;
      }
      if (requests > 0) log.info("objectives_recovered", { requests });
    } catch (error) {
      log.error("objectives_not_recovered", { message: error instanceof Error ? error.message : String(error), requests });
    }
  }

  /** What a route's error budget has it do now. */
  effectsOf(route: string): BudgetEffects {
    return this.book.effectsOf(route);
  }

  /** How all objectives stand. */
  watched(): readonly Watched[] {
    return this.book.watched(this.#parts.clock.wallMs());
  }

  /** For the command on this machine, and for the admin API. */
  listing(): JsonObject {
    return { data: this.watched().map((one) => watchedJson(one, (route) => this.effectsOf(route))) };
  }

  /** Whose a request is, and its tags, as scopes. */
  scopesOf({ scopes: told, tenant = "default", key = "", tags }: Asker): readonly string[] {
    if (told !== undefined) return told;
    let scopes = this.#scopes.get(key);
    if (scopes === undefined) {
      const { store } = this.#parts;
      const object = store.get("key", key);
      const project = object === undefined ? undefined : asString(object.body["project"]);
      scopes = object === undefined ? [`tenant/${tenant}`, `key/${key}`] : callerOf(object, project === undefined ? undefined : store.get("project", project)).scopes;
      if (this.#scopes.size >= KEYS_MAX) this.#scopes.clear();
      this.#scopes.set(key, scopes);
    }
    return tags === undefined ? scopes : [...scopes, ...Object.entries(tags).map(([name, value]) => `tag/${name}=${value}`)];
  }
}

const NONE: readonly string[] = [];

/** Lines for the metrics page; none where nothing is promised. */
export function objectiveGauges(watched: readonly Watched[]): string {
  if (watched.length === 0) return "";
  const label = ({ owner, objective }: Watched): string => `owner="${escaped(`${owner.kind}/${owner.id}`)}",objective="${escaped(objective.name)}"`;
  const gauge = (name: string, help: string, lines: readonly string[]): string => `# HELP ${name} ${help}\n# TYPE ${name} gauge\n${lines.map((line) => `${name}${line}\n`).join("")}`;
  return (
    gauge("spillway_objective_target", "Share of valid requests that has to be good.", watched.map((one) => `{${label(one)}} ${one.objective.target}`)) +
    gauge("spillway_objective_attained", "Share of valid requests in the objective's window that was good.", watched.map((one) => `{${label(one)}} ${rounded(one.standing.attained)}`)) +
    gauge("spillway_objective_budget_left", "Share of the error budget that is left; below 0 it is overspent.", watched.map((one) => `{${label(one)}} ${rounded(one.standing.left)}`)) +
    gauge("spillway_objective_burn", "How many times faster than evenly the error budget goes.", watched.flatMap((one) => Object.entries(one.burn).map(([span, burn]) => `{${label(one)},span="${span}"} ${rounded(burn)}`)))
  );
}

function rounded(value: number): number {
  return Math.round(value * 1e6) / 1e6;
}

function escaped(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
