/** Batches of messages of one provider: run when they are made, billed when they end, kept for as long as it runs. */
import { asArray, asObject, asText, type Body } from "./ask.ts";
import { doneAtCancel, endsNow, type BatchLine, type BatchRules, type BatchRun } from "./batch.ts";
import type { KeptAnswer, KeptEndpoint } from "./kept.ts";

export interface BatchCall {
  readonly method: string;
  readonly endpoint: KeptEndpoint;
  readonly body: Body;
  readonly query: URLSearchParams;
  /** Fresh. */
  readonly id: string;
  readonly atMs: number;
  /** Where the provider is called. */
  readonly origin: string;
  run(params: Body): BatchRun;
  /** Called once, when the batch has ended. */
  bill(lines: readonly BatchLine[]): void;
}

type Status = "in_progress" | "canceling" | "ended";
interface KeptBatch {
  readonly id: string;
  readonly runs: readonly { readonly custom_id: string; readonly run: BatchRun }[];
  readonly bill: BatchCall["bill"];
  readonly createdMs: number;
  readonly resultsUrl: string;
  status: Status;
  canceledMs: number | null;
  endedMs: number | null;
  /** How many of its requests were run when it ended. */
  done: number;
}

const DAY_MS = 86_400_000;

export class KeptMessages {
  readonly #batches = new Map<string, KeptBatch>();
  readonly #rules: BatchRules;

  constructor(rules: BatchRules) {
    this.#rules = rules;
  }

  /** Ends all that run. */
  endAll(atMs: number): void {
    for (const batch of this.#batches.values()) this.#end(batch, atMs);
  }

  answer(call: BatchCall): KeptAnswer {
    const { id, part } = call.endpoint;
    if (id === undefined) return call.method === "GET" ? this.#list(call) : this.#create(call);
    const batch = this.#batches.get(id);
    if (batch === undefined) return wrong(404, `Message batch ${id} not found`);
    if (part === "results") return batch.status === "ended" ? { status: 200, type: "application/x-jsonl", body: resultsOf(batch) } : wrong(404, `Message batch ${id} has no available results`);
    if (part === "cancel") {
      if (batch.status === "in_progress") [batch.status, batch.canceledMs] = ["canceling", call.atMs];
      return { status: 200, body: told(batch) };
    }
    if (call.method !== "DELETE") return this.#looked(batch, call.atMs);
    if (batch.status !== "ended") return wrong(400, `Message batch ${id} is still in progress: cancel it first`);
    this.#batches.delete(id);
    return { status: 200, body: { id, type: "message_batch_deleted" } };
  }

  #looked(batch: KeptBatch, atMs: number): KeptAnswer {
    if (endsNow(this.#rules, batch.createdMs, atMs)) this.#end(batch, atMs);
    return { status: 200, body: told(batch) };
  }

  #end(batch: KeptBatch, atMs: number): void {
    if (batch.status === "ended") return;
    [batch.status, batch.endedMs] = ["ended", atMs];
    batch.done = batch.canceledMs === null ? batch.runs.length : doneAtCancel(batch.runs.length);
    batch.bill(batch.runs.slice(0, batch.done).flatMap(({ run }) => run.billed ?? []));
  }

  #create({ body, id, atMs, origin, run, bill }: BatchCall): KeptAnswer {
    const requests = asArray(body["requests"]).map(asObject);
    if (requests.length === 0) return wrong(400, "requests: List should have at least 1 item");
    const runs: { custom_id: string; run: BatchRun }[] = [];
    for (const [at, request] of requests.entries()) {
      const name = asText(request["custom_id"]);
      if (name === undefined) return wrong(400, `requests.${at}.custom_id: Field required`);
      if (runs.some((one) => one.custom_id === name)) return wrong(400, `requests.${at}.custom_id: must be unique`);
      runs.push({ custom_id: name, run: run(asObject(request["params"])) });
    }
    const batchId = `msgbatch_01${id}`;
    const batch: KeptBatch = { id: batchId, runs, bill, done: 0, createdMs: atMs, resultsUrl: `${origin}/v1/messages/batches/${batchId}/results`, status: "in_progress", canceledMs: null, endedMs: null };
    this.#batches.set(batch.id, batch);
    return { status: 200, body: told(batch) };
  }

  /** The newest first. */
  #list({ query }: BatchCall): KeptAnswer {
    const all = [...this.#batches.values()].toReversed();
    const limit = Number(query.get("limit") ?? 20);
    const before = all.findIndex((one) => one.id === query.get("before_id"));
    const after = all.findIndex((one) => one.id === query.get("after_id"));
    const rest = before >= 0 ? all.slice(0, before) : all.slice(after + 1);
    const page = before >= 0 ? rest.slice(-limit) : rest.slice(0, limit);
    return { status: 200, body: { data: page.map(told), has_more: page.length < rest.length, first_id: page[0]?.id ?? null, last_id: page.at(-1)?.id ?? null } };
  }
}

function told(batch: KeptBatch): object {
  const { id, runs, status, done } = batch;
  const ended = status === "ended";
  const succeeded = runs.slice(0, done).filter(({ run }) => run.status === 200).length;
  return {
    id, type: "message_batch", processing_status: status,
    request_counts: { processing: ended ? 0 : runs.length, succeeded, errored: done - succeeded, canceled: ended ? runs.length - done : 0, expired: 0 },
    ended_at: time(batch.endedMs), created_at: time(batch.createdMs), expires_at: time(batch.createdMs + DAY_MS),
    archived_at: null, cancel_initiated_at: time(batch.canceledMs), results_url: ended ? batch.resultsUrl : null,
  };
}

function resultsOf({ runs, done }: KeptBatch): Buffer {
  const resultOf = ({ status, body }: BatchRun): object => (status === 200 ? { type: "succeeded", message: body } : { type: "errored", error: body });
  return Buffer.from(runs.map(({ custom_id, run }, at) => `${JSON.stringify({ custom_id, result: at < done ? resultOf(run) : { type: "canceled" } })}\n`).join(""));
}

function time(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}

function wrong(status: number, message: string): KeptAnswer {
  return { status, message, body: {} };
}
