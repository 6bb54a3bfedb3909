/**
 * `spillway requests`: finished requests, oldest first, `--limit` the newest so many. Reads the data folder while the
 * gateway runs or after it died. What an attempt came to is taken from the ledger, the rest from the request's record.
 */
import { parseArgs } from "node:util";
import { setTimeout as sleep } from "node:timers/promises";
import type { AttemptRecord } from "../ports.ts";
import { openReadOnly } from "../storage/data-dir.ts";
import { StorageError } from "../storage/errors.ts";
import type { AttemptView, LedgerReader, RequestView } from "../storage/rows.ts";
import type { Json, JsonObject } from "../wire/json.ts";
import { INPUT_UNITS, OUTPUT_UNITS } from "../wire/usage.ts";
import type { Unit, UnitCounts } from "../wire/usage.ts";

/** Where lines go; `process.stdout` fits. */
export interface TextOutput {
  write(text: string): boolean;
  once?(event: "drain", listener: () => void): unknown;
  on?(event: "error", listener: (error: NodeJS.ErrnoException) => void): unknown;
}
export interface RequestsOptions {
  /** Ends `--follow`. */
  readonly signal?: AbortSignal;
  /** Where errors go; `process.stderr` by default. */
  readonly errors?: TextOutput;
  readonly pollEveryMs?: number;
}

const POLL_EVERY_MS = 250;
const TABLE_ROWS = 20;
const FLUSH_CHARACTERS = 65_536;
const HELP = `spillway requests [--json] [--limit N] [--follow] [--data-dir FOLDER]
Finished requests, oldest first. --limit: the newest N (without --json: ${TABLE_ROWS}). --follow: go on as they finish.
`;

/** Runs the command; resolves with the exit code (0; 1 where the folder cannot be read; 2 for wrong usage). */
export async function runRequests(args: readonly string[], out: TextOutput, options: RequestsOptions = {}): Promise<number> {
  const errors = options.errors ?? process.stderr;
  let flags: Flags;
  try {
    flags = readFlags(args);
  } catch (error) {
    errors.write(`${error instanceof Error ? error.message : String(error)}\n${HELP}`);
    return 2;
  }
  if (flags.help) {
    out.write(HELP);
    return 0;
  }
  try {
    const reader = openReadOnly(flags.dataDir);
    try {
      await list(reader, flags, out, options);
    } finally {
      reader.close();
    }
    return 0;
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    errors.write(`${error.message}\n`);
    return 1;
  }
}

interface Flags {
  readonly json: boolean;
  readonly limit: number | undefined;
  readonly follow: boolean;
  readonly help: boolean;
  readonly dataDir: string;
}

function readFlags(args: readonly string[]): Flags {
  const { values } = parseArgs({
    args: [...args],
    options: {
      json: { type: "boolean", default: false },
      limit: { type: "string" },
      follow: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
      "data-dir": { type: "string" },
    },
  });
  if (values.limit !== undefined && !/^\d{1,9}$/.test(values.limit)) throw new Error(`--limit takes a whole number, got "${values.limit}"`);
  const limit = values.limit === undefined ? undefined : Number(values.limit);
  return {
    json: values.json,
    limit: limit ?? (values.json ? undefined : TABLE_ROWS),
    follow: values.follow,
    help: values.help,
    dataDir: values["data-dir"] ?? process.env["SPILLWAY_DATA_DIR"] ?? ".spillway",
  };
}

async function list(reader: LedgerReader, flags: Flags, out: TextOutput, options: RequestsOptions): Promise<void> {
  const lines = new Lines(out);
  const print = flags.json ? (view: RequestView) => `${JSON.stringify(requestJson(view))}\n` : tableLine;
  if (!flags.json) await lines.add(TABLE_HEAD);
  let after = flags.limit === 0 ? lastPosition(reader) : 0;
  // A request whose process died has no place in the listing until the next start gives it one: shown once, at the end.
  const stray = flags.limit === 0 ? [] : reader.unrecorded();
  const shown = new Set(stray.map((view) => view.requestId));
  const recorded = flags.limit === undefined ? undefined : Math.max(0, flags.limit - stray.length);
  if (recorded === 0) after = lastPosition(reader);
  else {
    for (const view of reader.requests(recorded === undefined ? {} : { limit: recorded })) {
      after = view.position ?? after;
      await lines.add(print(view));
      if (lines.closed) return;
    }
  }
  for (const view of flags.limit === undefined ? stray : stray.slice(-flags.limit)) await lines.add(print(view));
  await lines.flush();
  while (flags.follow && !lines.closed && options.signal?.aborted !== true) {
    for (const view of reader.requests({ after })) {
      after = view.position ?? after;
      if (!shown.has(view.requestId)) await lines.add(print(view));
    }
    await lines.flush();
    await pause(options.pollEveryMs ?? POLL_EVERY_MS, options.signal);
  }
}

function lastPosition(reader: LedgerReader): number {
  for (const view of reader.requests({ limit: 1 })) return view.position ?? 0;
  return 0;
}

async function pause(delayMs: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(delayMs, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    // Woken by the signal: the loop above sees it and ends.
    if (signal?.aborted !== true) throw error;
  }
}

/** Gathers lines into pieces of a fair size, waits for a slow reader, and notices one that has left (`| head`). */
class Lines {
  readonly #out: TextOutput;
  #text = "";
  #closed = false;
  #wake: () => void = () => undefined;

  constructor(out: TextOutput) {
    this.#out = out;
    out.on?.("error", (error) => {
      if (error.code !== "EPIPE") throw error;
      this.#closed = true;
      this.#wake();
    });
  }

  /** Nobody reads any more. */
  get closed(): boolean {
    return this.#closed;
  }

  async add(line: string): Promise<void> {
    this.#text += line;
    if (this.#text.length >= FLUSH_CHARACTERS) await this.flush();
  }

  async flush(): Promise<void> {
    if (this.#text === "" || this.#closed) return;
    const taken = this.#out.write(this.#text);
    this.#text = "";
    if (taken || this.#out.once === undefined) return;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      this.#out.once?.("drain", resolve);
    });
  }
}

/** A request as one JSON object; its names are fixed, scripts rely on them. */
export function requestJson(view: RequestView): JsonObject {
  const record = view.record;
  const attempts = attemptsOf(view);
  const last = view.attempts.at(-1);
  return {
    request_id: view.requestId,
    at: new Date(view.atMs).toISOString(),
    route: record?.route ?? null,
    model: record?.model ?? null,
    deployment: record === null ? (last?.deployment ?? null) : record.deployment,
    attempts: attempts.map((attempt) => attempt.json),
    tokens: tokensJson(record?.units ?? sumUnits(view.attempts)),
    ...pieces(record?.units ?? sumUnits(view.attempts)),
    cost_usd: usd(sumCosts(attempts.map((attempt) => attempt.costNanoUsd))),
    ttft_ms: record?.ttftMs ?? null,
    total_ms: record?.totalMs ?? null,
    outcome: record?.outcome ?? "unknown",
    flags: record?.flags ?? ["orphan"],
    status: record?.status ?? null,
    error_code: record?.errorCode ?? null,
    surface: record?.surface ?? null,
    stream: record?.stream ?? null,
    tenant: record?.tenant ?? last?.tenant ?? null,
    key: record?.key ?? null,
    warnings: record?.warnings ?? [],
    decision: record?.decision ?? null,
  };
}

interface ShownAttempt {
  readonly costNanoUsd: number | null;
  readonly json: JsonObject;
}

/** The ledger's rows say what each attempt came to; the record adds what only it knows. */
function attemptsOf(view: RequestView): readonly ShownAttempt[] {
  const described = new Map((view.record?.attempts ?? []).map((attempt) => [attempt.attemptId, attempt]));
  const shown = view.attempts.map((row) => {
    const attempt = described.get(row.attemptId);
    described.delete(row.attemptId);
    return shownAttempt(row, attempt);
  });
  for (const attempt of described.values()) shown.push(shownAttempt(null, attempt));
  return shown;
}

function shownAttempt(row: AttemptView | null, attempt: AttemptRecord | undefined): ShownAttempt {
  // A row that still waits for its charge knows less than the record.
  const settled = row === null || (row.state === "held" && attempt !== undefined) ? attempt : row;
  const costNanoUsd = settled?.costNanoUsd ?? null;
  return {
    costNanoUsd,
    json: {
      attempt_id: row?.attemptId ?? attempt?.attemptId ?? null,
      deployment: row?.deployment ?? attempt?.deployment ?? null,
      state: row?.state ?? attempt?.state ?? null,
      outcome: settled?.outcome ?? null,
      tokens: tokensJson(settled?.units ?? {}),
      ...pieces(settled?.units ?? {}),
      cost_nano_usd: costNanoUsd,
      flags: [...new Set([...(row?.flags ?? []), ...(row === null || row.state === "held" ? (attempt?.flags ?? []) : [])])],
      status: attempt?.status ?? null,
      ttft_ms: attempt?.ttftMs ?? null,
      total_ms: attempt?.totalMs ?? null,
    },
  };
}

const TOKEN_UNITS: readonly Unit[] = [...INPUT_UNITS, ...OUTPUT_UNITS];

function tokensJson(units: UnitCounts): JsonObject {
  const tokens: Record<string, Json> = {};
  for (const unit of TOKEN_UNITS) {
    const count = units[unit];
    if (count !== undefined) tokens[unit] = count;
  }
  return tokens;
}

/** `units`, where anything was counted one by one: images, seconds, characters, searches … */
function pieces(units: UnitCounts): JsonObject {
  const counted = Object.entries(units).filter(([unit]) => !TOKEN_UNITS.includes(unit as Unit));
  return counted.length === 0 ? {} : { units: Object.fromEntries(counted) };
}

function sumUnits(attempts: readonly AttemptView[]): UnitCounts {
  const sum: { [U in Unit]?: number } = {};
  for (const attempt of attempts) {
    for (const [unit, count] of Object.entries(attempt.units) as [Unit, number][]) sum[unit] = (sum[unit] ?? 0) + count;
  }
  return sum;
}

/** null as soon as one is unknown: unknown is not zero. */
function sumCosts(costs: readonly (number | null)[]): number | null {
  let sum = 0;
  for (const cost of costs) {
    if (cost === null) return null;
    sum += cost;
  }
  return sum;
}

/** Nano-dollars as the nearest number of dollars. */
function usd(nanoUsd: number | null): number | null {
  return nanoUsd === null ? null : Number(`${nanoUsd}e-9`);
}

const COLUMNS = [24, 12, 24, 34, 4, 8, 8, 12, 8] as const;
const TABLE_HEAD = cells(["at", "outcome", "route", "deployment", "try", "in", "out", "cost_usd", "ms"], "flags");

function tableLine(view: RequestView): string {
  const record = view.record;
  const units = record?.units ?? sumUnits(view.attempts);
  const attempts = attemptsOf(view);
  const cost = sumCosts(attempts.map((attempt) => attempt.costNanoUsd));
  return cells(
    [
      new Date(view.atMs).toISOString(),
      record?.outcome ?? "unknown",
      record?.route ?? "-",
      record?.deployment ?? view.attempts.at(-1)?.deployment ?? "-",
      String(attempts.length),
      String(total(units, INPUT_UNITS)),
      String(total(units, OUTPUT_UNITS)),
      cost === null ? "-" : (Number(`${cost}e-9`)).toFixed(9),
      record === null ? "-" : String(Math.round(record.totalMs)),
    ],
    (record?.flags ?? ["orphan"]).join(","),
  );
}

function total(units: UnitCounts, classes: readonly Unit[]): number {
  return classes.reduce((sum, unit) => sum + (units[unit] ?? 0), 0);
}

function cells(values: readonly string[], last: string): string {
  return `${values.map((value, column) => value.padEnd(COLUMNS[column] ?? 0)).join(" ")} ${last}`.trimEnd() + "\n";
}
