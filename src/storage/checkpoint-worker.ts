/**
 * Moves the write-ahead log into the ledger's file, in a thread of its own with its own connection, so that no commit
 * waits for it. A passive checkpoint never waits either, and under steady load never catches up; when the log has grown
 * large this thread asks the writer to hold still for a moment and truncates it.
 */
import { DatabaseSync } from "node:sqlite";
import { parentPort, workerData } from "node:worker_threads";
import type { CheckpointOrder, CheckpointReport, CheckpointSetup } from "./checkpoint.ts";

const setup = workerData as CheckpointSetup;
const port = parentPort;
if (port === null) throw new Error("the checkpoint worker runs as a worker thread only");

const db = new DatabaseSync(setup.path, { timeout: 20 });
const passive = db.prepare("PRAGMA wal_checkpoint(PASSIVE)");
const truncate = db.prepare("PRAGMA wal_checkpoint(TRUNCATE)");
const report = (message: CheckpointReport): void => port.postMessage(message);

/** A log that was copied whole begins anew with the next commit; only one that stays large needs the writer's help. */
let wasLarge = false;
const timer = setInterval(() => {
  try {
    const result = passive.get();
    const frames = Number(result?.["log"] ?? 0);
    const large = frames > setup.truncateAboveFrames;
    if (large && wasLarge) report({ kind: "large", frames });
    wasLarge = large;
  } catch (error) {
    report({ kind: "trouble", message: error instanceof Error ? error.message : String(error) });
  }
}, setup.everyMs);

port.on("message", (order: CheckpointOrder) => {
  if (order === "stop") {
    clearInterval(timer);
    db.close();
    port.close();
    return;
  }
  try {
    truncate.get();
  } catch (error) {
    report({ kind: "trouble", message: error instanceof Error ? error.message : String(error) });
  }
  report({ kind: "truncated" });
});
report({ kind: "ready" });
