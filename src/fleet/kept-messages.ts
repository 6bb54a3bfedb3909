/** Batches of messages of one provider: run when they are made, ended as soon as somebody looks again, kept for as long as it runs. */
import { asArray, asObject, asText, type Body } from "./ask.ts";
import type { KeptAnswer, KeptEndpoint } from "./kept.ts";

/** What one request of a batch comes to. */
export type BatchResult = { readonly type: "succeeded"; readonly message: object } | { readonly type: "errored"; readonly error: object };

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
  run(params: Body): BatchResult;
}

type Status = "in_progress" | "canceling" | "ended";
interface KeptBatch {
  readonly id: string;
  readonly results: readonly { readonly custom_id: string; readonly result: BatchResult }[];
  readonly createdMs: number;
  readonly resultsUrl: string;
  status: Status;
  canceledMs: number | null;
  endedMs: number | null;
}

const DAY_MS = 86_400_000;

export class KeptMessages {
  readonly #batches = new Map<string, KeptBatch>();

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
    if (batch.status !== "ended") [batch.status, batch.endedMs] = ["ended", atMs];
    return { status: 200, body: told(batch) };
  }

  #create({ body, id, atMs, origin, run }: BatchCall): KeptAnswer {
    const requests = asArray(body["requests"]).map(asObject);
    if (requests.length === 0) return wrong(400, "requests: List should have at least 1 item");
    const results: { custom_id: string; result: BatchResult }[] = [];
    for (const [at, request] of requests.entries()) {
      const name = asText(request["custom_id"]);
      if (name === undefined) return wrong(400, `requests.${at}.custom_id: Field required`);
      if (results.some((one) => one.custom_id === name)) return wrong(400, `requests.${at}.custom_id: must be unique`);
      results.push({ custom_id: name, result: run(asObject(request["params"])) });
    }
    const batchId = `msgbatch_01${id}`;
    const batch: KeptBatch = { id: batchId, results, createdMs: atMs, resultsUrl: `${origin}/v1/messages/batches/${batchId}/results`, status: "in_progress", canceledMs: null, endedMs: null };
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
  const { id, results, status } = batch;
  const ended = status === "ended";
  const count = (type: BatchResult["type"]): number => (ended && batch.canceledMs === null ? results.filter((one) => one.result.type === type).length : 0);
  return {
    id, type: "message_batch", processing_status: status,
    request_counts: {
      processing: ended ? 0 : results.length, succeeded: count("succeeded"), errored: count("errored"),
      canceled: ended && batch.canceledMs !== null ? results.length : 0, expired: 0,
    },
    ended_at: time(batch.endedMs), created_at: time(batch.createdMs), expires_at: time(batch.createdMs + DAY_MS),
    archived_at: null, cancel_initiated_at: time(batch.canceledMs), results_url: ended ? batch.resultsUrl : null,
  };
}

function resultsOf({ results, canceledMs }: KeptBatch): Buffer {
  const lines = results.map(({ custom_id, result }) => `${JSON.stringify({ custom_id, result: canceledMs === null ? result : { type: "canceled" } })}\n`);
  return Buffer.from(lines.join(""));
}

function time(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}

function wrong(status: number, message: string): KeptAnswer {
  return { status, message, body: {} };
}
