/** Files and batches of one provider: kept in memory, for as long as it runs. */
import { asText, type Body, type Json } from "./ask.ts";
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

export class Kept {
  readonly #files = new Map<string, KeptFile>();
  readonly #batches = new Map<string, Record<string, Json>>();

  /** One call. `id` is fresh. */
  answer(method: string, { collection, id, part }: KeptEndpoint, body: Body, files: readonly FormFile[], query: URLSearchParams, fresh: { id: string; createdS: number }): KeptAnswer {
    if (id !== undefined) return collection === "files" ? this.#file(method, id, part) : this.#batch(id, part, fresh.createdS);
    if (method === "GET") return list(collection === "files" ? [...this.#files.values()].map((file) => file.facts) : [...this.#batches.values()], query);
    return collection === "files" ? this.#upload(body, files, fresh) : this.#create(body, fresh);
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

  #create(body: Body, { id, createdS }: { id: string; createdS: number }): KeptAnswer {
    const input = asText(body["input_file_id"]) ?? "";
    if (!this.#files.has(input)) return wrong(400, `Invalid 'input_file_id': no such file ${input}`);
    const batch = {
      id: `batch_${id}`, object: "batch", endpoint: body["endpoint"] ?? null, errors: null, input_file_id: input, completion_window: body["completion_window"] ?? "24h",
      status: "validating", output_file_id: null, error_file_id: null, created_at: createdS, request_counts: { total: 0, completed: 0, failed: 0 }, metadata: body["metadata"] ?? null,
    };
    this.#batches.set(batch.id, batch);
    return { status: 200, body: batch };
  }

  #batch(id: string, part: KeptEndpoint["part"], nowS: number): KeptAnswer {
    const batch = this.#batches.get(id);
    if (batch === undefined) return wrong(404, `No batch found with id '${id}'.`);
    if (part === "cancel") this.#batches.set(id, { ...batch, status: "cancelling", cancelling_at: nowS });
    return { status: 200, body: this.#batches.get(id) ?? {} };
  }
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
