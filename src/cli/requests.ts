/**
 * `spillway requests`: finished requests, oldest first, `--limit` the newest so many. Reads the data folder while the
 * gateway runs or after it died. What an attempt came to is taken from the ledger, the rest from the request's record.
 */
import { parseArgs } from "node:util";
import { setTimeout as sleep } from "node:timers/promises";
import type { Display } from "../decide/currency.ts";
import { openReadOnly } from "../storage/data-dir.ts";
import { StorageError } from "../storage/errors.ts";
import type { LedgerReader, RequestView } from "../storage/rows.ts";
import { requestJson } from "../storage/request-json.ts";
import { tableHead, tableLines } from "./request-table.ts";

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
  /** The currency of the table; absent or null: dollars. */
  readonly display?: Display | null;
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
  const display = options.display ?? null;
  const print = flags.json ? (view: RequestView) => `${JSON.stringify(requestJson(view))}\n` : (view: RequestView) => tableLines(view, display);
  if (!flags.json) await lines.add(tableHead(display));
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
