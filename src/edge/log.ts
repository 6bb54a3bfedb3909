/** Logs: pino for what happens now and then, and one line a request written in batches from its record. */
import { pino, type DestinationStream, type Logger } from "pino";
import type { Log, RequestRecord } from "../ports.ts";
import { plainText } from "../wire/plain-text.ts";

/** `text` is for people at a terminal, `json` for collectors, `off` for tests. */
export type LogMode = "text" | "json" | "off";

/** A log in one of three forms, to stderr or `destination`. */
export function openLog(mode: LogMode, destination?: DestinationStream): Log {
  if (mode === "off") return { info: () => undefined, warn: () => undefined, error: () => undefined };
  const logger: Logger = pino({ base: null, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: (label) => ({ level: label }) } }, destination ?? pino.destination({ dest: 2, sync: true }));
  if (mode === "json") {
    return {
      info: (event, fields) => logger.info(fields ?? {}, event),
      warn: (event, fields) => logger.warn(fields ?? {}, event),
      error: (event, fields) => logger.error(fields ?? {}, event),
    };
  }
  const write = (level: string, event: string, fields: Readonly<Record<string, unknown>> | undefined): void => {
    const rest = Object.entries(fields ?? {}).map(([key, value]) => ` ${key}=${typeof value === "string" ? value : JSON.stringify(value)}`).join("");
    process.stderr.write(`${new Date().toISOString().slice(11, 23)} ${level} ${event}${linesOf(rest)}\n`);
  };
  return {
    info: (event, fields) => write("info ", event, fields),
    warn: (event, fields) => write("warn ", event, fields),
    error: (event, fields) => write("error", event, fields),
  };
}

/** A terminal obeys nothing of it, and no line of it looks like one of the log's own. */
function linesOf(text: string): string {
  return text.split("\n").map(plainText).join("\n    ");
}

const FLUSH_MS = 200;
const FLUSH_BYTES = 64 << 10;

/** One JSON line per finished request on stdout, written in batches: a write per request would cost more than the line. */
export class RequestLog {
  #pending = "";
  #timer: NodeJS.Timeout | null = null;
  readonly #write: (text: string) => void;

  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  append(record: RequestRecord): void {
    // One text a line: put together of its pieces it would be a tree of two dozen, which is walked when it is written.
    const { atMs: at, requestId: request_id, key, model, deployment, attempts, status, outcome, errorCode: code, ttftMs: ttft_ms, totalMs: total_ms, costNanoUsd: cost_nano_usd } = record;
    this.#pending += `${JSON.stringify({ event: "request", at, request_id, key, model, deployment, attempts: attempts.length, status, outcome, code, ttft_ms, total_ms, cost_nano_usd })}\n`;
    if (this.#pending.length > FLUSH_BYTES) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), FLUSH_MS).unref();
  }

  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#pending === "") return;
    const text = this.#pending;
    this.#pending = "";
    this.#write(text);
  }
}
