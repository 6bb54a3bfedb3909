/** Brings adjustments into the ledger: through the gateway that runs on the folder, or into the folder where none does. */
import { randomBytes } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { adjustLedger, type AdjustOrder, type AdjustReply } from "../compose/adjust.ts";
import { LOCAL_ACTOR, openControl } from "../compose/control.ts";
import { limitsInForce } from "../compose/limits.ts";
import type { Adjustment } from "../storage/adjust.ts";
import { controlSocketPathOf, openDataDir } from "../storage/data-dir.ts";
import { StorageError } from "../storage/errors.ts";
import { SqliteStorage } from "../storage/sqlite.ts";
import { usdText } from "../wire/money.ts";
import { EXIT, type CommandContext } from "./context.ts";
import { askGateway } from "./control-client.ts";
import type { ReconcileWorld } from "./reconcile-world.ts";

/** A running gateway is handed so many at a time, so that it answers others in between. */
const ORDER_MAX = 2_000;

/** Make the adjustments and tell what came of them; gives the exit code. */
export async function applyAdjustments(order: AdjustOrder, world: ReconcileWorld, { out, errors }: CommandContext, nowMs: number): Promise<number> {
  let reply: AdjustReply;
  try {
    reply = (await throughGateway(order, world.dataDir)) ?? (await intoFolder(order, world, nowMs));
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    reply = { kind: "refused", code: "unwritable", message: error.message };
  }
  if (reply.kind === "refused") {
    errors.write(`spillway: ${reply.message}\n`);
    return EXIT.wrong;
  }
  const { made, already, differenceNanoUsd } = reply;
  const by = `${differenceNanoUsd < 0 ? "-" : ""}$${usdText(Math.abs(differenceNanoUsd))}`;
  out.write(`${made === 1 ? "1 call" : `${made} calls`} adjusted by ${by}${already === 0 ? "" : `, ${already} ${already === 1 ? "was" : "were"} so already`}\n`);
  if (reply.left.length === 0) return EXIT.ok;
  errors.write(`spillway: ${reply.left.length} calls changed meanwhile and were left: ${reply.left.slice(0, 5).join(", ")}${reply.left.length > 5 ? ", …" : ""}; run this again\n`);
  return EXIT.wrong;
}

/** null: no gateway runs on the folder. */
async function throughGateway(order: AdjustOrder, dataDir: string): Promise<AdjustReply | null> {
  const socket = controlSocketPathOf(dataDir);
  try {
    await askGateway(socket, "providers");
  } catch {
    // Nobody is there: the folder is free.
    return null;
  }
  const sum = { made: 0, already: 0, left: [] as string[], differenceNanoUsd: 0 };
  for (let from = 0; from === 0 || from < order.adjustments.length; from += ORDER_MAX) {
    const reply = await handOver({ ...order, adjustments: order.adjustments.slice(from, from + ORDER_MAX) }, dataDir, socket);
    if (reply.kind === "refused") return from === 0 ? reply : { ...reply, message: `${reply.message} ${sum.made} calls were adjusted before that.` };
    sum.made += reply.made;
    sum.already += reply.already;
    sum.left.push(...reply.left);
    sum.differenceNanoUsd += reply.differenceNanoUsd;
  }
  return { kind: "done", ...sum };
}

async function handOver({ reason, note, adjustments }: AdjustOrder, dataDir: string, socket: string): Promise<AdjustReply> {
  const name = `adjust-${randomBytes(9).toString("hex")}.json`;
  const path = join(dataDir, name);
  writeFileSync(path, JSON.stringify({ reason, note, adjustments: adjustments.map(plain) }), { mode: 0o600 });
  try {
    const reply = (await askGateway(socket, "adjust", name)) as AdjustReply | { readonly error: string };
    return "error" in reply ? { kind: "refused", code: "invalid", message: reply.error } : reply;
  } finally {
    rmSync(path, { force: true });
  }
}

function plain({ attemptId, wasNanoUsd, costNanoUsd, state, units, flags, priceVersion }: Adjustment): Adjustment {
  return { attemptId, wasNanoUsd, costNanoUsd, state, units, flags, priceVersion };
}

/** As a gateway would, with the budgets that it would have: their balances move with the rows. */
async function intoFolder(order: AdjustOrder, { config, dataDir }: ReconcileWorld, nowMs: number): Promise<AdjustReply> {
  const folder = openDataDir(dataDir);
  try {
    const control = openControl(folder.path);
    try {
      const storage = new SqliteStorage(folder.ledgerPath, { sync: config.ledger.sync });
      try {
        storage.limit(limitsInForce(config, control.store).budgets);
        return await adjustLedger({ storage, store: control.store, nowMs }, LOCAL_ACTOR, order);
      } finally {
        await storage.close();
      }
    } finally {
      control.close();
    }
  } finally {
    folder.close();
  }
}
