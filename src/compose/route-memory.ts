/**
 * What routes have learnt, kept over restarts: read before the first request, written each minute and at the end. And the clock of the probes
 * of their candidates, whose money of the day is kept beside it.
 */
import { join } from "node:path";
import type { Config } from "../config/types.ts";
import { RouteBook, type SavedRoutes } from "../decide/balance/route-book.ts";
import type { HealthSettings } from "../decide/health/book.ts";
import type { Deps } from "../pipeline/deps.ts";
import { Probing } from "../pipeline/probing.ts";
import type { Clock, Log } from "../ports.ts";
import { JsonFile } from "../storage/json-file.ts";
import { isObject, type Json, type JsonObject } from "../wire/json.ts";

const SAVE_MS = 60_000;
const LOOK_MS = 1_000;

/** How long deployments rest, and how rare the failures are that must be seen: by the strictest availability that a route promises. */
export function healthSettingsOf({ health, routes }: Pick<Config, "health" | "routes">): HealthSettings {
  const targets = routes.flatMap(({ objectives }) => objectives.filter(({ kind }) => kind === "availability" || kind === "error_rate").map(({ target }) => target));
  return { restMs: health.restMs, restMaxMs: health.restMaxMs, ...(targets.length === 0 ? {} : { target: Math.max(...targets) }) };
}

export class RouteMemoryFile {
  readonly book: RouteBook;
  readonly #clock: Clock;
  readonly #file: JsonFile;
  readonly #probing = new Probing();
  readonly #timers: NodeJS.Timeout[] = [];

  constructor(clock: Clock, folder: string, log: Log) {
    this.#clock = clock;
    this.book = new RouteBook(clock.wallMs() - clock.nowMs());
    this.#file = new JsonFile(join(folder, "routes.json"), "routes", log);
    const saved = this.#file.load();
    if (isSaved(saved)) this.book.restore(saved);
    if (isObject(saved)) this.#probing.cap.restore(saved["probes"]);
  }

  /** `config`: as it is at the moment. */
  start(deps: Deps, config: () => Pick<Config, "health" | "routes">): void {
    this.#timers.push(setInterval(() => this.save(), SAVE_MS).unref(), setInterval(() => this.#look(deps, config()), LOOK_MS).unref());
  }

  stop(): void {
    for (const timer of this.#timers.splice(0)) clearInterval(timer);
    this.#probing.stop();
    this.save(this.#probing.isBusy);
  }

  /** `running`: probes may be under way when it is read again. */
  save(running = true): void {
    const saved = this.book.save(this.#clock.nowMs());
    const { cap } = this.#probing;
    const spent = cap.spentNanoUsd(this.#clock.wallMs()) > 0 || this.#probing.isBusy;
    if (saved.routes.length > 0 || saved.pools !== undefined || spent) this.#file.save({ ...(saved as unknown as JsonObject), ...(spent ? { probes: cap.save(running) } : {}) });
  }

  #look(deps: Deps, { health, routes }: Pick<Config, "health" | "routes">): void {
    if (health.probes === undefined) return;
    this.#probing.look(deps, health.probes, routes.map(({ name }) => name));
    // Noted before it is spent: a process that dies with probes under way spends no dollar twice.
    if (this.#probing.cap.toBeNoted(health.probes.maxNanoUsdPerDay)) this.save();
  }
}

/** Of this version: what another wrote is forgotten, and learnt again. */
function isSaved(value: Json | null): value is Json & SavedRoutes {
  if (!isObject(value) || !Array.isArray(value["routes"])) return false;
  const { routes, pools } = value;
  return (
    routes.every((one) => isObject(one) && typeof one["name"] === "string" && typeof one["outputTokens"] === "number" && isObject(one["state"])) &&
    (pools === undefined || (isObject(pools) && Object.values(pools).every((one) => isObject(one) && typeof one["means"] === "string" && isObject(one["pool"]) && typeof one["pool"]["workPerS"] === "number")))
  );
}
