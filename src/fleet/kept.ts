/** Files and batches of one provider: kept in memory, for as long as it runs. A batch is run, and billed, when it ends. */
import { asObject, asText, type Body, type Json } from "./ask.ts";
import { doneAtCancel, endsNow, type BatchLine, type BatchRules, type BatchRun } from "./batch.ts";
import type { FormFile } from "./made.ts";

/** What is asked: a collection, one of it, or what is behind one. */
export interface KeptEndpoint {
  readonly kind: "kept";
  readonly collection: "files" | "batches" | "messages/batches";
  readonly id?: string;
  readonly part?: "content" | "cancel" | "results";
}
export interface KeptAnswer {
  readonly status: number;
  /** What is wrong, where the status says so. */
  readonly message?: string;
  readonly body: object | Buffer;
  /** Of bytes; absent: any. */
  readonly type?: string;
}

interface KeptFile {
  readonly facts: { readonly id: string; readonly object: "file"; readonly bytes: number; readonly created_at: number; readonly filename: string; readonly purpose: string; readonly status: string };
  readonly bytes: Buffer;
}

interface KeptBatch {
  told: Record<string, Json>;
  readonly madeMs: number;
  /** The file as it was then. */
  readonly input: Buffer;
  readonly run: RunLine;
  readonly bill: (lines: readonly BatchLine[]) => void;
}
/** Runs a line of an input file, which is for this path. */
export type RunLine = (url: string, body: Body) => BatchRun;

export interface KeptCall {
  readonly method: string;
  readonly endpoint: KeptEndpoint;
  readonly body: Body;
  readonly files: readonly FormFile[];
  readonly query: URLSearchParams;
  /** Fresh. */
  readonly id: string;
  readonly atMs: number;
  readonly run: RunLine;
  /** Called once, when the batch that this call made has ended. */
  readonly bill: (lines: readonly BatchLine[]) => void;
}

export class Kept {
  readonly #files = new Map<string, KeptFile>();
  readonly #batches = new Map<string, KeptBatch>();
  readonly #rules: BatchRules;

  constructor(rules: BatchRules) {
    this.#rules = rules;
  }

  answer(call: KeptCall): KeptAnswer {
    const { method, query } = call;
    const { collection, id, part } = call.endpoint;
    if (id !== undefined) return collection === "files" ? this.#file(method, id, part) : this.#batch(id, part, call.atMs);
    if (method === "GET") return list(collection === "files" ? [...this.#files.values()].map((file) => file.facts) : [...this.#batches.values()].map((batch) => batch.told), query);
    return collection === "files" ? this.#upload(call.body, call.files, { id: call.id, createdS: seconds(call.atMs) }) : this.#create(call);
  }

  /** Ends all that run. */
  endAll(atMs: number): void {
    for (const batch of this.#batches.values()) this.#end(batch, atMs);
  }

  #upload(body: Body, files: readonly FormFile[], { id, createdS }: { id: string; createdS: number }): KeptAnswer {
    const file = files.find((one) => one.name === "file");
    const purpose = asText(body["purpose"]);
    if (file === undefined || purpose === undefined) return wrong(400, "Missing required parameter: 'file' or 'purpose'.");
    const facts = { id: `file-${id}`, object: "file", bytes: file.bytes.length, created_at: createdS, filename: file.filename, purpose, status: "processed" } as const;
    this.#files.set(facts.id, { facts, bytes: file.bytes });
    return { status: 200, body: facts };
  }

  #file(method: string, id: string, part: KeptEndpoint["part"]): KeptAnswer {
    const file = this.#files.get(id);
    if (file === undefined) return wrong(404, `No such File object: ${id}`);
    if (part === "content") return { status: 200, body: file.bytes };
    if (method !== "DELETE") return { status: 200, body: file.facts };
    this.#files.delete(id);
    return { status: 200, body: { id, object: "file", deleted: true } };
  }

  #create({ body, id, atMs, run, bill }: KeptCall): KeptAnswer {
    const input = asText(body["input_file_id"]) ?? "";
    const file = this.#files.get(input);
    if (file === undefined) return wrong(400, `Invalid 'input_file_id': no such file ${input}`);
    const told = {
      id: `batch_${id}`, object: "batch", endpoint: body["endpoint"] ?? null, errors: null, input_file_id: input, completion_window: body["completion_window"] ?? "24h",
      status: "validating", output_file_id: null, error_file_id: null, created_at: seconds(atMs), request_counts: { total: 0, completed: 0, failed: 0 }, metadata: body["metadata"] ?? null,
    };
    this.#batches.set(told.id, { told, madeMs: atMs, input: file.bytes, run, bill });
    return { status: 200, body: told };
  }

  #batch(id: string, part: KeptEndpoint["part"], nowMs: number): KeptAnswer {
    const batch = this.#batches.get(id);
    if (batch === undefined) return wrong(404, `No batch found with id '${id}'.`);
    if (part === "cancel") {
      if (isEnded(batch)) return wrong(409, `Cannot cancel a batch with status '${asText(batch.told["status"]) ?? ""}'.`);
      batch.told = { ...batch.told, status: "cancelling", cancelling_at: seconds(nowMs) };
    } else if (endsNow(this.#rules, batch.madeMs, nowMs)) {
      this.#end(batch, nowMs);
    }
    return { status: 200, body: batch.told };
  }

  #end(batch: KeptBatch, nowMs: number): void {
    if (isEnded(batch)) return;
    const lines = linesOf(batch.input);
    if (lines === null) {
      batch.told = { ...batch.told, status: "failed", failed_at: seconds(nowMs), errors: { object: "list", data: [{ code: "invalid_json_line", message: "This line is not parseable as valid JSON.", param: null, line: 1 }] } };
      batch.bill([]);
      return;
    }
    const cancelled = batch.told["status"] === "cancelling";
    const done = cancelled ? doneAtCancel(lines.length) : lines.length;
    const runs = lines.slice(0, done).map((line) => ({ id: asText(line["custom_id"]) ?? "", run: batch.run(asText(line["url"]) ?? "", asObject(line["body"])) }));
    const good = runs.filter(({ run }) => run.status === 200);
    const bad = [
      ...runs.filter(({ run }) => run.status !== 200).map(({ id, run }) => lineOf(id, run, null)),
      ...lines.slice(done).map((line) => lineOf(asText(line["custom_id"]) ?? "", null, { code: "batch_cancelled", message: "This request could not be executed before the batch was cancelled." })),
    ];
    const name = asText(batch.told["id"]) ?? "";
    const billed = good.flatMap(({ run }) => run.billed ?? []);
    batch.told = {
      ...batch.told, status: cancelled ? "cancelled" : "completed", [cancelled ? "cancelled_at" : "completed_at"]: seconds(nowMs),
      output_file_id: this.#write(`${name}_output`, good.map(({ id, run }) => lineOf(id, run, null)), nowMs),
      error_file_id: this.#write(`${name}_error`, bad, nowMs),
      request_counts: { total: lines.length, completed: good.length, failed: lines.length - good.length },
      ...(this.#rules.tellsUsage ? wholeUsage(billed) : {}),
    };
    batch.bill(billed);
  }

  /** A file of lines; null where there is none. */
  #write(name: string, lines: readonly object[], nowMs: number): string | null {
    if (lines.length === 0) return null;
    const bytes = Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    const facts = { id: `file-${name}`, object: "file", bytes: bytes.length, created_at: seconds(nowMs), filename: `${name}.jsonl`, purpose: "batch_output", status: "processed" } as const;
    this.#files.set(facts.id, { facts, bytes });
    return facts.id;
  }
}

function isEnded({ told }: KeptBatch): boolean {
  return told["status"] !== "validating" && told["status"] !== "cancelling";
}

function lineOf(customId: string, run: BatchRun | null, error: object | null): object {
  const response = run === null ? null : { status_code: run.status, request_id: `req_${customId}`, body: run.body };
  return { id: `batch_req_${customId}`, custom_id: customId, response, error };
}

/** null: not lines of JSON objects. */
function linesOf(bytes: Buffer): readonly Body[] | null {
  try {
    const values = bytes.toString("utf8").split("\n").filter((line) => line.trim() !== "").map((line): unknown => JSON.parse(line));
    return values.every((value) => typeof value === "object" && value !== null && !Array.isArray(value)) ? (values as Body[]) : null;
  } catch {
    return null;
  }
}

/** Told only where all of it is one model's. */
function wholeUsage(lines: readonly BatchLine[]): Record<string, Json> {
  const [model, ...others] = new Set(lines.map((line) => line.model));
  if (model === undefined || others.length > 0) return {};
  const sum = (count: (line: BatchLine) => number): number => lines.reduce((total, line) => total + count(line), 0);
  const [input, cached, output] = [sum((line) => line.input), sum((line) => line.cached), sum((line) => line.output)];
  return { model, usage: { input_tokens: input, input_tokens_details: { cached_tokens: cached }, output_tokens: output, output_tokens_details: { reasoning_tokens: 0 }, total_tokens: input + output } };
}

function seconds(ms: number): number {
  return Math.floor(ms / 1000);
}

function wrong(status: number, message: string): KeptAnswer {
  return { status, message, body: {} };
}

function list(items: readonly object[], query: URLSearchParams): KeptAnswer {
  const ids = items.map((item) => (item as { id: string }).id);
  const from = query.has("after") ? ids.indexOf(query.get("after") ?? "") + 1 : 0;
  const page = items.slice(from, from + Number(query.get("limit") ?? 20));
  const pageIds = ids.slice(from, from + page.length);
  return { status: 200, body: { object: "list", data: page, first_id: pageIds[0] ?? null, last_id: pageIds.at(-1) ?? null, has_more: from + page.length < items.length } };
}
