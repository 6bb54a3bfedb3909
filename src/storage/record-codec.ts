/**
 * How records lie on disk: a batch of them is one row, a JSON array with an entry for each. An entry has no names, and
 * what an attempt has in common with its request is null there: less than half the bytes of the record's own JSON.
 * A record's place is that of its batch's last one less those behind it.
 */
import type { DatabaseSync } from "node:sqlite";
import type { AttemptRecord, RequestRecord } from "../ports.ts";
import type { JsonObject } from "../wire/json.ts";
import type { UnitCounts } from "../wire/usage.ts";
import { int } from "./statements.ts";

/** Records in one row at most: some 30 KB, below the size from which the allocator asks the kernel each time. */
export const BATCH_ROWS = 64;

/** Request, time, ids of the ledger's rows (null: not known, look them up), fields (null: its process died before it had any). */
export type Entry = readonly [requestId: string, atMs: number, rowIds: readonly number[] | null, fields: Fields | null];

type UntaggedFields = readonly [
  tenant: string, key: string, surface: RequestRecord["surface"], stream: 0 | 1, model: string, route: string | null, deployment: string | null,
  units: UnitCounts, costNanoUsd: number | null, ttftMs: number | null, totalMs: number, status: number,
  outcome: RequestRecord["outcome"], errorCode: string | null, flags: readonly string[], warnings: readonly string[],
  decision: JsonObject, attempts: readonly AttemptFields[],
];
type Fields = readonly [...UntaggedFields, tags?: Readonly<Record<string, string>>];
/** `deployment` and `units` are null, `costNanoUsd` is "same" where they are the request's. */
type AttemptFields = readonly [
  attemptId: string, deployment: string | null, state: AttemptRecord["state"], outcome: string, status: number | null, units: UnitCounts | null,
  costNanoUsd: number | null | "same", flags: readonly string[], ttftMs: number | null, totalMs: number,
];

/** The entry of a record; `rowIds` as in Entry. */
export function entryOf(record: RequestRecord, rowIds: readonly number[] | null): Entry {
  const { deployment, units, costNanoUsd, model, route } = record;
  const alone = record.attempts.length === 1;
  const attempts = record.attempts.map((one): AttemptFields => [
    one.attemptId, one.deployment === deployment ? null : one.deployment, one.state, one.outcome, one.status,
    alone && sameUnits(one.units, units) ? null : one.units, one.costNanoUsd === costNanoUsd ? "same" : one.costNanoUsd,
    one.flags, one.ttftMs, one.totalMs,
  ]);
  const fields: UntaggedFields = [
    record.tenant, record.key, record.surface, record.stream ? 1 : 0, model, route === model ? null : route, deployment,
    units, costNanoUsd, record.ttftMs, record.totalMs, record.status, record.outcome, record.errorCode, record.flags, record.warnings,
    record.decision, attempts,
  ];
  return [record.requestId, record.atMs, rowIds, record.tags === undefined ? fields : [...fields, record.tags]];
}

/** The entry of a request that left no record. */
export function unrecordedEntry(requestId: string, atMs: number): Entry {
  return [requestId, atMs, null, null];
}

/** The record that an entry was made of; null if there was none. */
export function recordOf([requestId, atMs, , fields]: Entry): RequestRecord | null {
  if (fields === null) return null;
  const [tenant, key, surface, stream, model, route, deployment, units, costNanoUsd, ttftMs, totalMs, status, outcome, errorCode, flags, warnings, decision, attempts, tags] = fields;
  return {
    requestId, atMs, tenant, key, surface, stream: stream === 1, model, route: route ?? model, deployment,
    attempts: attempts.map(([attemptId, at, state, came, code, used, cost, marks, firstMs, wholeMs]) => ({
      attemptId, deployment: at ?? deployment ?? "", state, outcome: came, status: code, units: used ?? units,
      costNanoUsd: cost === "same" ? costNanoUsd : cost, flags: marks, ttftMs: firstMs, totalMs: wholeMs,
    })),
    units, costNanoUsd, ttftMs, totalMs, status, outcome, errorCode, flags, warnings, ...(tags === undefined ? {} : { tags }), decision,
  };
}

/** The place of the newest record; 0 without any. */
export function lastRecordPosition(db: DatabaseSync): number {
  return int(db.prepare("SELECT coalesce(max(last_id), 0) AS last FROM record_batches").get()?.["last"]);
}

function sameUnits(left: UnitCounts, right: UnitCounts): boolean {
  let count = 0;
  for (const unit in left) {
    if (left[unit as keyof UnitCounts] !== right[unit as keyof UnitCounts]) return false;
    count++;
  }
  for (const _ in right) count--;
  return count === 0;
}
