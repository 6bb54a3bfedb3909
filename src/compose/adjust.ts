/**
 * Adjusting what settled calls cost, for those who may: owners and whoever minds the bill. Each run is an object of its own in
 * the control store, so that the audit log says who made it and what it came to.
 */
import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { ADJUSTMENT } from "../control/kinds/index.ts";
import { newId } from "../control/seal.ts";
import type { Actor, ControlStore, Role } from "../control/types.ts";
import { adjust, readAdjustments, type Adjusted, type Adjustment } from "../storage/adjust.ts";
import type { SqliteStorage } from "../storage/sqlite.ts";
import { asString, isObject, type Json } from "../wire/json.ts";
import { usdShort } from "../wire/money.ts";
import { LOCAL_ACTOR } from "./control.ts";

/** Roles that make adjustments; nobody else does, administrators included. */
export const ADJUSTERS: readonly Role[] = ["owner", "billing"];

export interface AdjustOrder {
  readonly reason: "rerate" | "reconcile";
  /** What it was made from: a model and a time, a file's name. */
  readonly note: string;
  readonly adjustments: readonly Adjustment[];
}
export type AdjustReply =
  | ({ readonly kind: "done" } & Adjusted)
  | { readonly kind: "refused"; readonly code: "forbidden" | "invalid" | "unwritable"; readonly message: string };

/** What adjusting needs: the ledger, and where it is noted who did it. */
export interface AdjustParts {
  readonly storage: Pick<SqliteStorage, "ledger" | "reader">;
  readonly store: Pick<ControlStore, "apply">;
  readonly nowMs: number;
}

/** Note who adjusts what, then do it. Prices are the organisation's that runs the place, and so is what is made of them. */
export async function adjustLedger({ storage, store, nowMs }: AdjustParts, actor: Actor, { reason, note, adjustments }: AdjustOrder): Promise<AdjustReply> {
  if (actor.tenant !== "default" || actor.role === "key" || !ADJUSTERS.includes(actor.role)) {
    return { kind: "refused", code: "forbidden", message: "Only owners and billing members of the organisation default adjust what calls cost." };
  }
  if (adjustments.length === 0) return { kind: "done", made: 0, already: 0, left: [], differenceNanoUsd: 0 };
  const wanted = adjustments.reduce((sum, one) => sum + one.costNanoUsd - (one.wasNanoUsd ?? 0), 0);
  const body = { reason, calls: adjustments.length, difference_usd: usdShort(wanted), note: note.slice(0, 300) };
  const noted = store.apply([{ op: "put", kind: ADJUSTMENT, id: newId(), tenant: "default", body, ifVersion: 0 }], actor, reason);
  if (noted.kind === "refused") return { kind: "refused", code: "unwritable", message: `${noted.message} Nothing was adjusted.` };
  try {
    // What is waiting to be written is seen by the look before each correction.
    storage.ledger.flush();
    return { kind: "done", ...(await adjust(storage.ledger, storage.reader, adjustments, nowMs)) };
  } catch (error) {
    return { kind: "refused", code: "unwritable", message: `${(error as Error).message}; what was adjusted until then stays, and another run adjusts the rest` };
  }
}

/** Carry out an order that stands in a file of the data folder, by its name: a socket's line is too short for it. */
export async function adjustByFile(parts: AdjustParts, folder: string, name: string): Promise<AdjustReply> {
  const invalid = (message: string): AdjustReply => ({ kind: "refused", code: "invalid", message });
  if (basename(name) !== name || !name.startsWith("adjust-")) return invalid("not the name of an order in the data folder");
  let value: Json;
  try {
    value = JSON.parse(readFileSync(join(folder, name), "utf8")) as Json;
  } catch (error) {
    return invalid(`${name} cannot be read: ${(error as Error).message}`);
  }
  const reason = isObject(value) ? value["reason"] : undefined;
  const adjustments = isObject(value) ? readAdjustments(value["adjustments"]) : null;
  if (!isObject(value) || (reason !== "rerate" && reason !== "reconcile") || adjustments === null) return invalid(`${name} is no order to adjust`);
  return await adjustLedger(parts, LOCAL_ACTOR, { reason, note: asString(value["note"]) ?? "", adjustments });
}
