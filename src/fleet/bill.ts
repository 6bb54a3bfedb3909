/** The fleet's bill: one row per call received, priced by the fleet's own arithmetic. */
import type { BatchLine } from "./batch.ts";
import { batchNanoUsd, costNanoUsd, type ModelPrice } from "./price.ts";

/**
 * open: still running. answered: whole. refused: an error status. reset: cut before the headers. cut: cut after them.
 * errored: an error inside a 200. garbled: a 200 that no client can read. empty: a 200 with no content.
 * client_gone: the client left. stopped: the fleet was closed.
 */
export type BillOutcome =
  | "open" | "answered" | "refused" | "reset" | "cut" | "errored" | "garbled" | "empty" | "client_gone" | "stopped";

export interface BillRow {
  readonly call: string;
  readonly provider: string;
  readonly model: string;
  /** The header `x-client-request-id` as it came. */
  readonly client_request_id: string | null;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly stream: boolean;
  readonly path: string;
  readonly outcome: BillOutcome;
  /** The status sent; 0 where none was. */
  readonly status: number;
  /** The fault that was played, if any. */
  readonly fault: string | null;
  readonly input_tokens: number;
  /** Those of the input that were read from the cache. */
  readonly cached_tokens: number;
  /** Those of the input that were written to it; absent: none. */
  readonly written_tokens?: number;
  /** The service tier that served, where it was not the standard one. */
  readonly service_tier?: string;
  /** Handed to the socket, reasoning among them. */
  readonly output_tokens: number;
  /** Counted one by one (images, seconds …), where the call is billed so. */
  readonly units?: Readonly<Record<string, number>>;
  /** Always the price of the counts above; of a batch, once it has ended, that of all its lines. */
  readonly cost_nano_usd: number;
  /** Whether the client was told the usage. */
  readonly usage_sent: boolean;
  /** From arrival to the end; 0 while the call runs. */
  readonly duration_ms: number;
}

/** A row while its call runs. */
export type OpenRow = { -readonly [K in keyof BillRow]: BillRow[K] };

interface Entry {
  readonly row: OpenRow;
  readonly price: ModelPrice;
  /** What a batch came to that this call made. */
  costNanoUsd?: number;
}

export class Bill {
  readonly #limit: number;
  #entries: Entry[] = [];
  /** Rows that fell out because the bill was full. */
  dropped = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  open(row: OpenRow, price: ModelPrice): OpenRow {
    if (this.#entries.length >= this.#limit) {
      // A tenth at a time, so that a full bill does not copy itself for each row.
      const spare = Math.max(1, Math.floor(this.#limit / 10));
      this.#entries = this.#entries.slice(spare);
      this.dropped += spare;
    }
    this.#entries.push({ row, price });
    return row;
  }

  /** Puts on the row of the call that made a batch what the batch came to; each line at its own model's price, times `factor`. */
  batch(row: OpenRow, lines: readonly BatchLine[], priceOf: (model: string) => ModelPrice, factor: number): void {
    const entry = this.#entries.find((one) => one.row === row);
    if (entry === undefined) return;
    const sum = (count: (line: BatchLine) => number): number => lines.reduce((total, line) => total + count(line), 0);
    [row.input_tokens, row.cached_tokens, row.output_tokens] = [sum((line) => line.input), sum((line) => line.cached), sum((line) => line.output)];
    entry.costNanoUsd = batchNanoUsd(lines.map((line) => ({ price: priceOf(line.model), tokens: line })), factor);
  }

  /** Copies, in the order of arrival; calls that still run are priced by what they have had so far. */
  rows(sinceMs = 0): BillRow[] {
    return this.#entries.filter(({ row }) => row.at >= sinceMs).map(({ row, price, costNanoUsd: batched }) => ({
      ...row,
      cost_nano_usd: batched ?? costNanoUsd(price, { input: row.input_tokens, cached: row.cached_tokens, written: row.written_tokens ?? 0, output: row.output_tokens }, row.units, row.service_tier),
    }));
  }

  /** Forgets what has ended. */
  clear(): void {
    this.#entries = this.#entries.filter(({ row }) => row.outcome === "open");
    this.dropped = 0;
  }
}
