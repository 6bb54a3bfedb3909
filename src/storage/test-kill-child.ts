/**
 * A gateway's storage under load, to be killed: holds, marks and charges in a loop, each announced on stdout only after
 * its promise resolved. Arguments: data folder, first attempt number.
 */
import { writeSync } from "node:fs";
import { aCharge, aHold, aRecord } from "./conformance.ts";
import { openDataDir } from "./data-dir.ts";
import { SqliteStorage } from "./sqlite.ts";

const [folder = "", first = "1"] = process.argv.slice(2);
const dir = openDataDir(folder);
const storage = new SqliteStorage(dir.ledgerPath, { checkpointEveryMs: 20, walFramesMax: 50 });
let next = Number(first);

function announce(word: string, number: number): void {
  writeSync(1, `${word} ${number}\n`);
}

async function work(): Promise<never> {
  for (;;) {
    const number = next++;
    const [result] = await storage.ledger.reserve([aHold(number)]);
    if (result?.kind !== "held") throw new Error(`not held: ${JSON.stringify(result)}`);
    announce("held", number);
    await storage.ledger.progress([{ attemptId: aHold(number).attemptId, relayedTokens: 3 }]);
    await storage.ledger.settle([aCharge(number, { costNanoUsd: number })]);
    announce("charged", number);
    storage.records.append(aRecord(number));
  }
}

announce("ready", process.pid);
await Promise.all(Array.from({ length: 8 }, work));
