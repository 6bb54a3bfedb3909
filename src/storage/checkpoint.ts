/** The writer's side of checkpoints: starts the thread, grants it the moment it asks for, and does without it if need be. */
import type { DatabaseSync } from "node:sqlite";
import { Worker } from "node:worker_threads";
import type { Log } from "../ports.ts";
import { messageOf } from "./schema.ts";

export interface CheckpointSetup {
  readonly path: string;
  readonly everyMs: number;
  /** Pages in the log above which the writer has to let it begin anew. */
  readonly restartAboveFrames: number;
  /** A second file, written seldom: its log is moved as well. */
  readonly beside?: string;
}
export type CheckpointOrder = "restart" | "stop";
export type CheckpointReport =
  | { readonly kind: "ready" }
  | { readonly kind: "large"; readonly frames: number }
  | { readonly kind: "restarted" }
  | { readonly kind: "trouble"; readonly message: string };

/** Who has to hold still for the last pages of the log. */
export interface Pausable {
  pause(): void;
  resume(): void;
}

/** The longest that holds wait for it; after it they are written beside it. */
const PAUSE_MAX_MS = 250;
const STOP_MAX_MS = 1_000;

export class Checkpoints {
  readonly #db: DatabaseSync;
  readonly #writer: Pausable;
  readonly #log: Log;
  #worker: Worker | null = null;
  #pauseTimer: NodeJS.Timeout | null = null;

  /** `db` is the writer's connection. Until the thread is ready, and if it fails, the writer's own checkpoints stay on. */
  constructor(db: DatabaseSync, writer: Pausable, log: Log, setup: CheckpointSetup) {
    this.#db = db;
    this.#writer = writer;
    this.#log = log;
    const file = import.meta.url.endsWith(".ts") ? "./checkpoint-worker.ts" : "./checkpoint-worker.js";
    try {
      const worker = new Worker(new URL(file, import.meta.url), { workerData: setup, resourceLimits: { maxOldGenerationSizeMb: 32 } });
      worker.on("message", (report: CheckpointReport) => this.#onReport(report));
      worker.on("error", (error) => this.#doWithout(messageOf(error)));
      worker.on("exit", () => this.#doWithout("the thread ended"));
      worker.unref();
      this.#worker = worker;
    } catch (error) {
      this.#doWithout(messageOf(error));
    }
  }

  /** Stops the thread; resolves when its connection is closed. */
  async close(): Promise<void> {
    const worker = this.#worker;
    this.#worker = null;
    this.#endPause();
    if (worker === null) return;
    const gone = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
    worker.postMessage("stop" satisfies CheckpointOrder);
    worker.ref();
    const late = setTimeout(() => void worker.terminate(), STOP_MAX_MS);
    await gone;
    clearTimeout(late);
  }

  #onReport(report: CheckpointReport): void {
    const worker = this.#worker;
    if (worker === null) return;
    if (report.kind === "ready") this.#db.exec("PRAGMA wal_autocheckpoint = 0");
    else if (report.kind === "restarted") this.#endPause();
    else if (report.kind === "trouble") this.#log.warn("ledger_checkpoint_failed", { message: report.message });
    else if (this.#pauseTimer === null) {
      this.#writer.pause();
      this.#pauseTimer = setTimeout(() => this.#endPause(), PAUSE_MAX_MS);
      worker.postMessage("restart" satisfies CheckpointOrder);
    }
  }

  #endPause(): void {
    if (this.#pauseTimer === null) return;
    clearTimeout(this.#pauseTimer);
    this.#pauseTimer = null;
    this.#writer.resume();
  }

  #doWithout(message: string): void {
    this.#endPause();
    if (this.#worker === null) return;
    this.#worker = null;
    this.#db.exec("PRAGMA wal_autocheckpoint = 1000");
    this.#log.warn("ledger_checkpoint_thread_lost", { message });
  }
}
