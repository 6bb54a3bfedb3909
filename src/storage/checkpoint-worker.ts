/**
 * Moves the write-ahead log into the ledger's file, in a thread of its own with its own connection, so that no commit
 * waits for it. A log that was moved whole begins anew with the next commit. Under steady load a passive checkpoint never
 * moves it whole; when the log has grown large, this thread asks the writer to hold still for the last few pages.
 */
import { DatabaseSync } from "node:sqlite";
import { parentPort, workerData } from "node:worker_threads";
import type { CheckpointOrder, CheckpointReport, CheckpointSetup } from "./checkpoint.ts";

const setup = workerData as CheckpointSetup;
const port = parentPort;
if (port === null) throw new Error("the checkpoint worker runs as a worker thread only");

/** The writer holds still for at most so many pages. */
const FEW_FRAMES = 64;
/** How often the rest is moved passively, in the hope that it becomes few. */
const APPROACHES = 5;

const db = new DatabaseSync(setup.path, { timeout: 20 });
const passive = db.prepare("PRAGMA wal_checkpoint(PASSIVE)");
const restart = db.prepare("PRAGMA wal_checkpoint(RESTART)");
const beside = setup.beside === undefined ? null : new DatabaseSync(setup.beside, { timeout: 20 });
const besidePassive = beside?.prepare("PRAGMA wal_checkpoint(PASSIVE)") ?? null;
/** Of what is written a little at a time, many pages are the same: moved seldom, they are moved once. */
const BESIDE_TURNS = 30;
const report = (message: CheckpointReport): void => port.postMessage(message);

function tell(error: unknown): void {
  report({ kind: "trouble", message: error instanceof Error ? error.message : String(error) });
}

/** Moves what it can; returns the pages in the log, and how many of them are still only there. */
function move(): { readonly frames: number; readonly left: number } {
  const result = passive.get();
  const frames = Number(result?.["log"] ?? 0);
  return { frames, left: frames - Number(result?.["checkpointed"] ?? 0) };
}

let wasLarge = false;
let turn = 0;
const timer = setInterval(() => {
  try {
    let { frames, left } = move();
    const large = frames > setup.restartAboveFrames;
    if (large && wasLarge) {
      // Each round moves what was written during the one before, which is less and less.
      for (let round = 0; round < APPROACHES && (round === 0 || left > FEW_FRAMES); round++) ({ frames, left } = move());
      report({ kind: "large", frames });
    }
    wasLarge = large;
    if (++turn % BESIDE_TURNS === 0) besidePassive?.get();
  } catch (error) {
    tell(error);
  }
}, setup.everyMs);

port.on("message", (order: CheckpointOrder) => {
  if (order === "stop") {
    clearInterval(timer);
    db.close();
    beside?.close();
    port.close();
    return;
  }
  try {
    restart.get();
  } catch (error) {
    tell(error);
  }
  report({ kind: "restarted" });
});
report({ kind: "ready" });
