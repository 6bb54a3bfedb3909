/** What routes have learnt, kept over restarts: read before the first request, written each minute and at the end. */
import { join } from "node:path";
import type { Config } from "../config/types.ts";
import { RouteBook, type SavedRoutes } from "../decide/balance/route-book.ts";
import type { HealthSettings } from "../decide/health/book.ts";
import type { Clock, Log } from "../ports.ts";
import { JsonFile } from "../storage/json-file.ts";
import { isObject, type Json } from "../wire/json.ts";

const SAVE_MS = 60_000;

/** How long deployments rest, and how rare the failures are that must be seen: by the strictest availability that a route promises. */
export function healthSettingsOf({ health, routes }: Pick<Config, "health" | "routes">): HealthSettings {
  const targets = routes.flatMap(({ objectives }) => objectives.filter(({ kind }) => kind === "availability" || kind === "error_rate").map(({ target }) => target));
  return { restMs: health.restMs, restMaxMs: health.restMaxMs, ...(targets.length === 0 ? {} : { target: Math.max(...targets) }) };
}

export class RouteMemoryFile {
  readonly book: RouteBook;
  readonly #clock: Clock;
  readonly #file: JsonFile;
  #timer: NodeJS.Timeout | null = null;

  constructor(clock: Clock, folder: string, log: Log) {
    this.#clock = clock;
    this.book = new RouteBook(clock.wallMs() - clock.nowMs());
    this.#file = new JsonFile(join(folder, "routes.json"), "routes", log);
    const saved = this.#file.load();
    if (isSaved(saved)) this.book.restore(saved);
  }

  start(): void {
    this.#timer ??= setInterval(() => this.save(), SAVE_MS).unref();
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.save();
  }

  save(): void {
    const saved = this.book.save(this.#clock.nowMs());
    if (saved.routes.length > 0 || saved.pools !== undefined) this.#file.save(saved as unknown as Json);
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
