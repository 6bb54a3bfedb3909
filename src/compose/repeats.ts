/** Requests with an Idempotency-Key as the gateway serves them: their file in the data folder, and what stands before the pipeline. */
import { join } from "node:path";
import { heedsKey, KEY_TTL_MS, Repeats, type RepeatPorts } from "../pipeline/idempotency.ts";
import type { Inbound } from "../pipeline/inbound.ts";
import type { RequestRecord } from "../ports.ts";
import { SqliteKeyedRequests } from "../storage/idempotency.ts";

export interface OpenRepeats {
  /** Serves a request that came with this key: at most once. */
  serve(key: string, call: Inbound, make: (call: Inbound) => void): void;
  recorded(record: RequestRecord): void;
  close(): void;
}

/** Opens the file in a folder that this process owns. Throws StorageError. */
export function openRepeats(folder: string, sync: "process" | "full", ports: Omit<RepeatPorts, "store">): OpenRepeats {
  const store = new SqliteKeyedRequests(join(folder, "idempotency.db"), { sync, log: ports.log, ttlMs: KEY_TTL_MS });
  const repeats = new Repeats({ ...ports, store });
  return {
    serve: (key, call, make) => {
      if (!heedsKey(call.asked)) make(call);
      else repeats.serve(key, call, make);
    },
    recorded: (record) => repeats.recorded(record),
    close: () => store.close(),
  };
}
