/**
 * Spend by any dimension, from the ledger's own rows: calls with their charges, and corrections beside them, booked to the
 * time of the call that they correct. Read in pieces by row id, so that no reader keeps the log from shrinking.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { QueryError, TIMES, type Dimension, type Mover, type UsageQuery, type UsageReport, type UsageRow, type UsageSums } from "../control/reports.ts";
import { spanAt, type ClockPeriod } from "../decide/budget/periods.ts";
import type { Json } from "../wire/json.ts";
import type { Unit, UnitCounts } from "../wire/usage.ts";
import { StorageError } from "./errors.ts";
import { CLOCK_SLACK_MS, CLOCK_SLACK_ROWS, costAfter, type AttemptRow } from "./rows.ts";
import { openForReading } from "./schema.ts";
import { int, intOrNull, text } from "./statements.ts";

const PIECE_ROWS = 5_000;
const GROUPS_MAX = 200_000;
const NO_CORRECTIONS: readonly never[] = [];

/** Sums that grow. */
type Sums = { -readonly [Name in keyof UsageSums]: UsageSums[Name] };

function newSums(): Sums {
  return { requests: 0, calls: 0, held: 0, unpriced: 0, estimated: 0, unmetered: 0, units: {}, costNanoUsd: 0n, correctionsNanoUsd: 0n, heldNanoUsd: 0n };
}

function addUnits(sums: Sums, units: UnitCounts): void {
  const into = sums.units as { [U in Unit]?: number };
  for (const unit in units) into[unit as Unit] = (into[unit as Unit] ?? 0) + (units[unit as Unit] ?? 0);
}

interface Group {
  readonly labels: readonly (string | null)[];
  readonly sums: Sums;
}

interface Row {
  readonly id: number;
  readonly attemptId: string;
  readonly number: number;
  readonly terms: number;
  readonly boundNanoUsd: number | null;
  readonly atMs: number;
  readonly state: string | null;
  readonly units: string | null;
  readonly costNanoUsd: number | null;
}

/** What a correction changed of its call. */
type Correction = Pick<AttemptRow, "state" | "flags" | "units" | "costNanoUsd">;

/** What the terms of a row say to one query: null where they do not fit it. */
type Labels = readonly (string | null)[] | null;

export class UsageReader {
  readonly #db: DatabaseSync;
  readonly #piece: StatementSync;
  readonly #at: StatementSync;
  readonly #terms: StatementSync;

  /** `db`: a connection to a ledger, for queries only. */
  constructor(db: DatabaseSync) {
    this.#db = db;
    this.#piece = db.prepare(`
      SELECT h.id, h.attempt_id, h.number, h.terms, h.bound_nano_usd, h.at_ms, e.state, c.units, c.cost_nano_usd
      FROM holds h LEFT JOIN charges c ON c.id = h.id LEFT JOIN endings e ON e.id = c.ending WHERE h.id >= ? ORDER BY h.id LIMIT ${PIECE_ROWS}`);
    this.#at = db.prepare("SELECT id, at_ms FROM holds WHERE id >= ? ORDER BY id LIMIT 1");
    this.#terms = db.prepare("SELECT tenant, deployment, scopes FROM terms WHERE id = ?");
  }

  /** The report, with the first `limit` groups. `goOn` throws once it has taken too long. */
  report(query: UsageQuery, limit: number, goOn: () => void): UsageReport {
    const { groups, total } = this.#groups(query, goOn);
    return { rows: sorted(groups, query.by).slice(0, limit), total, groups: groups.size };
  }

  /** All groups, sorted. */
  rows(query: UsageQuery, goOn: () => void): readonly UsageRow[] {
    return sorted(this.#groups(query, goOn).groups, query.by);
  }

  /** Groups whose spend changed most against the same time before. */
  movers(query: UsageQuery, limit: number, goOn: () => void): readonly Mover[] {
    const lastMs = query.toMs - query.fromMs;
    const now = this.#groups(query, goOn).groups;
    const before = this.#groups({ ...query, fromMs: query.fromMs - lastMs, toMs: query.fromMs }, goOn).groups;
    const movers: Mover[] = [];
    for (const key of new Set([...now.keys(), ...before.keys()])) {
      const labels = (now.get(key) ?? before.get(key))?.labels ?? [];
      movers.push({ labels, nowNanoUsd: spent(now.get(key)), beforeNanoUsd: spent(before.get(key)) });
    }
    const size = ({ nowNanoUsd, beforeNanoUsd }: Mover): bigint => (nowNanoUsd > beforeNanoUsd ? nowNanoUsd - beforeNanoUsd : beforeNanoUsd - nowNanoUsd);
    return movers.filter((mover) => size(mover) > 0n).toSorted((a, b) => (size(a) < size(b) ? 1 : size(a) > size(b) ? -1 : 0)).slice(0, limit);
  }

  #groups(query: UsageQuery, goOn: () => void): { readonly groups: ReadonlyMap<string, Group>; readonly total: Sums } {
    const groups = new Map<string, Group>();
    const total = newSums();
    const labelsOf = this.#labeller(query);
    const corrections = this.#corrections();
    for (const row of this.#rowsBetween(query.fromMs, query.toMs, goOn)) {
      const labels = labelsOf(row);
      if (labels === null) continue;
      const key = JSON.stringify(labels);
      let group = groups.get(key);
      if (group === undefined) {
        if (groups.size >= GROUPS_MAX) throw new QueryError("large", `There are more than ${GROUPS_MAX} groups: ask by less, or for a shorter time.`);
        groups.set(key, (group = { labels, sums: newSums() }));
      }
      const corrected = corrections.get(row.attemptId) ?? NO_CORRECTIONS;
      count(row, corrected, group.sums);
      count(row, corrected, total);
    }
    return { groups, total };
  }

  /** Labels of a row under a query: worked out once for each of the few terms that rows share. */
  #labeller({ by, tenant, scopes: asked, deployment, timeZone }: UsageQuery): (row: Row) => Labels {
    const known = new Map<number, Labels>();
    const times = by.map((one) => (TIMES.includes(one) ? (one as ClockPeriod) : null));
    const timed = times.some((one) => one !== null);
    return (row) => {
      let labels = known.get(row.terms);
      if (labels === undefined) {
        const terms = this.#terms.get(row.terms);
        const at = text(terms?.["deployment"]);
        const scopes = JSON.parse(text(terms?.["scopes"])) as readonly string[];
        const fits = text(terms?.["tenant"]) === tenant && (deployment === null || deployment === at) && asked.every((scope) => scopes.includes(scope));
        known.set(row.terms, (labels = fits ? by.map((one) => labelOf(one, scopes, at)) : null));
      }
      if (labels === null || !timed) return labels;
      return labels.map((label, i) => {
        const period = times[i] ?? null;
        return period === null ? label : spanAt(period, timeZone, row.atMs).key;
      });
    };
  }

  #corrections(): ReadonlyMap<string, readonly Correction[]> {
    const found = new Map<string, Correction[]>();
    const rows = this.#db.prepare("SELECT c.adjusts, c.units, c.cost_nano_usd, e.state, e.flags FROM corrections c JOIN endings e ON e.id = c.ending ORDER BY c.id");
    for (const row of rows.iterate()) {
      const attemptId = text(row["adjusts"]);
      const one: Correction = {
        state: text(row["state"]) as Correction["state"], flags: JSON.parse(text(row["flags"])) as readonly string[],
        units: JSON.parse(text(row["units"])) as UnitCounts, costNanoUsd: intOrNull(row["cost_nano_usd"] ?? null),
      };
      const known = found.get(attemptId);
      if (known === undefined) found.set(attemptId, [one]);
      else known.push(one);
    }
    return found;
  }

  *#rowsBetween(fromMs: number, toMs: number, goOn: () => void): Generator<Row> {
    let next = Math.max(0, this.#firstRowAt(fromMs - CLOCK_SLACK_MS) - CLOCK_SLACK_ROWS);
    const end = this.#firstRowAt(toMs + CLOCK_SLACK_MS) + CLOCK_SLACK_ROWS;
    while (next < end) {
      goOn();
      const piece = this.#piece.all(next);
      if (piece.length === 0) return;
      for (const row of piece) {
        const atMs = int(row["at_ms"]);
        next = int(row["id"]) + 1;
        if (atMs < fromMs || atMs >= toMs) continue;
        yield {
          id: next - 1, atMs, attemptId: text(row["attempt_id"]), number: int(row["number"]), terms: int(row["terms"]), boundNanoUsd: intOrNull(row["bound_nano_usd"] ?? null),
          state: typeof row["state"] === "string" ? row["state"] : null, units: typeof row["units"] === "string" ? row["units"] : null, costNanoUsd: intOrNull(row["cost_nano_usd"] ?? null),
        };
      }
    }
  }

  /** Rows are in the order of their holds, so the first of a time is found by halving. */
  #firstRowAt(startMs: number): number {
    let low = 0;
    let high = int(this.#db.prepare("SELECT coalesce(max(id), 0) + 1 AS next FROM holds").get()?.["next"]);
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const row = this.#at.get(middle);
      if (row === undefined || int(row["at_ms"]) >= startMs) high = middle;
      else low = int(row["id"]) + 1;
    }
    return low;
  }
}

function count(row: Row, corrections: readonly Correction[], sums: Sums): void {
  sums.calls++;
  if (row.number === 1) sums.requests++;
  // What a call is counted as is how it stands by now; what it was charged and what was corrected stay apart.
  let { state, costNanoUsd } = row;
  for (const correction of corrections) {
    costNanoUsd = costAfter(costNanoUsd, correction);
    ({ state } = correction);
  }
  if (state === null) {
    sums.held++;
    sums.heldNanoUsd += BigInt(row.boundNanoUsd ?? 0);
  } else if (state === "unmetered") sums.unmetered++;
  else if (costNanoUsd === null) sums.unpriced++;
  else if (state === "estimated") sums.estimated++;
  sums.costNanoUsd += BigInt(row.costNanoUsd ?? 0);
  if (row.units !== null && row.units !== "{}") addUnits(sums, JSON.parse(row.units) as UnitCounts);
  for (const correction of corrections) {
    sums.correctionsNanoUsd += BigInt(correction.costNanoUsd ?? 0);
    addUnits(sums, correction.units);
  }
}

/** What one dimension says of a row; null where the row has none of it. */
function labelOf(dimension: Dimension, scopes: readonly string[], deployment: string): string | null {
  if (dimension === "deployment") return deployment;
  if (dimension === "paid_by") return scopes.find((scope) => scope.startsWith("paid_by/"))?.slice("paid_by/".length) ?? "organisation";
  if (dimension === "tags") return JSON.stringify(tagsOf(scopes));
  const word = dimension.startsWith("tag:") ? `tag/${dimension.slice(4)}=` : `${dimension}/`;
  return scopes.find((scope) => scope.startsWith(word))?.slice(word.length) ?? null;
}

function tagsOf(scopes: readonly string[]): Readonly<Record<string, Json>> {
  const tags = scopes.filter((scope) => scope.startsWith("tag/")).map((scope): [string, string] => {
    const equals = scope.indexOf("=");
    return [scope.slice(4, equals), scope.slice(equals + 1)];
  });
  return Object.fromEntries(tags.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function spent(group: Group | undefined): bigint {
  return group === undefined ? 0n : group.sums.costNanoUsd + group.sums.correctionsNanoUsd;
}

function sorted(groups: ReadonlyMap<string, Group>, by: readonly Dimension[]): readonly UsageRow[] {
  const times = by.flatMap((one, i) => (TIMES.includes(one) ? [i] : []));
  const timeOf = (group: Group): string => times.map((i) => group.labels[i] ?? "").join(" ");
  return [...groups.values()]
    .map((group) => ({ group, time: timeOf(group), cost: spent(group), name: JSON.stringify(group.labels) }))
    .toSorted((a, b) => (a.time !== b.time ? (a.time < b.time ? -1 : 1) : a.cost !== b.cost ? (a.cost > b.cost ? -1 : 1) : a.name < b.name ? -1 : 1))
    .map(({ group }) => ({ ...group.sums, labels: group.labels }));
}

/** Reports of a folder, for commands: in this thread, without a limit of time. */
export interface OpenUsage {
  report(query: UsageQuery, limit: number): UsageReport;
  rows(query: UsageQuery): readonly UsageRow[];
  movers(query: UsageQuery, limit: number): readonly Mover[];
  close(): void;
}

/** Opens the ledger of a data folder for reports; a gateway may run on it meanwhile. Throws StorageError. */
export function openUsage(folder: string): OpenUsage {
  const path = join(folder, "ledger.db");
  if (!existsSync(path)) throw new StorageError("not_found", `${folder} holds no ledger. Start the gateway there first, or name its folder with --data-dir.`);
  const db = openForReading(path);
  const usage = new UsageReader(db);
  const goOn = (): void => undefined;
  return { report: (query, limit) => usage.report(query, limit, goOn), rows: (query) => usage.rows(query, goOn), movers: (query, limit) => usage.movers(query, limit, goOn), close: () => db.close() };
}
