/**
 * Batches as their providers tell them: has it ended, how much of it was done, where its results lie, and what a line of
 * them is billed for. One entry for each kind; the usage of a line is read as that of any other answer.
 */
import type { UsageFacts } from "../../wire/facts.ts";
import { asNumber, asString, isObject, member, type Json, type JsonObject } from "../../wire/json.ts";
import type { Usage } from "../../wire/usage.ts";
import { readUsage as readMessagesUsage } from "./anthropic/usage.ts";
import { readUsage as readChatUsage } from "./openai/usage.ts";
import { readUsage as readResponsesUsage } from "./responses/usage.ts";

export interface BatchTold {
  readonly id: string;
  readonly status: string;
  /** Nothing more will be done, and nothing more billed. */
  readonly ended: boolean;
  /** Requests that were done; null: not told. */
  readonly done: number | null;
  /** Below the provider's address; null: there are none (any more). */
  readonly resultsPath: string | null;
  /** The usage of all of it, where the provider tells it with the one model that it is of. */
  readonly whole: BilledAnswer | null;
  /** What it says of how its requests came out. */
  readonly counts: Json;
}
export interface BilledAnswer {
  readonly model: string;
  readonly usage: Usage;
}
/** `free`: it was not done, so nothing is billed for it. `unread`: done, and not told what is billed. */
export type BatchLine =
  | ({ readonly kind: "billed" } & BilledAnswer)
  | { readonly kind: "unread"; readonly model: string | null }
  | { readonly kind: "free" };

export interface BatchDialect {
  /** Below the provider's address. */
  readonly path: (id: string) => string;
  /** null: no batch. */
  readonly read: (json: Json, facts: UsageFacts) => BatchTold | null;
  readonly line: (json: Json, facts: UsageFacts) => BatchLine;
}

const FILES_ENDED: ReadonlySet<string> = new Set(["completed", "failed", "expired", "cancelled"]);

const filesBatch: BatchDialect = {
  path: (id) => `/batches/${encodeURIComponent(id)}`,
  read(json, facts) {
    const id = asString(member(json, "id"));
    const status = asString(member(json, "status"));
    if (!isObject(json) || id === undefined || status === undefined || (json["object"] !== undefined && json["object"] !== "batch")) return null;
    const file = asString(json["output_file_id"]) ?? "";
    const counts = json["request_counts"] ?? null;
    return {
      id, status, ended: FILES_ENDED.has(status),
      // One that failed was found wrong before any of it ran.
      done: asNumber(member(counts, "completed")) ?? (status === "failed" ? 0 : null),
      resultsPath: file === "" ? null : `/files/${encodeURIComponent(file)}/content`,
      whole: wholeOf(json, facts),
      counts,
    };
  },
  line(json, facts) {
    const response = member(json, "response");
    const body = member(response, "body");
    const status = asNumber(member(response, "status_code"));
    if (!isObject(response) || (status !== undefined && status >= 400)) return { kind: "free" };
    const model = asString(member(body, "model")) ?? null;
    if (!isObject(body) || model === null) return { kind: "unread", model };
    const usage = body["object"] === "response" ? readResponsesUsage(body, facts) : readChatUsage(body, facts, undefined);
    return usage === undefined ? { kind: "unread", model } : { kind: "billed", model, usage };
  },
};

/** It is told in the words of responses, whatever was asked. */
function wholeOf(json: JsonObject, facts: UsageFacts): BilledAnswer | null {
  const model = asString(json["model"]) ?? "";
  const usage = model === "" ? undefined : readResponsesUsage({ usage: json["usage"] ?? null }, facts);
  return usage === undefined || Object.values(usage.units).every((count) => count === 0) ? null : { model, usage };
}

const messageBatch: BatchDialect = {
  path: (id) => `/messages/batches/${encodeURIComponent(id)}`,
  read(json) {
    const id = asString(member(json, "id"));
    const status = asString(member(json, "processing_status"));
    if (!isObject(json) || id === undefined || status === undefined) return null;
    const ended = status === "ended";
    const counts = json["request_counts"] ?? null;
    // Not by the address that it tells: that may be anybody's.
    const done = asNumber(member(counts, "succeeded")) ?? null;
    const resultsPath = ended && done !== 0 && typeof json["archived_at"] !== "string" ? `/messages/batches/${encodeURIComponent(id)}/results` : null;
    return { id, status, ended, done, resultsPath, whole: null, counts };
  },
  line(json) {
    const result = member(json, "result");
    const type = member(result, "type");
    if (type === "errored" || type === "canceled" || type === "expired") return { kind: "free" };
    const message = member(result, "message");
    const model = asString(member(message, "model")) ?? null;
    const raw = member(message, "usage");
    const usage = isObject(raw) ? readMessagesUsage(raw, true) : undefined;
    return model === null || usage === undefined ? { kind: "unread", model } : { kind: "billed", model, usage };
  },
};

const BATCHES = { "files-batch": filesBatch, "message-batch": messageBatch } as const satisfies Record<string, BatchDialect>;
export type BatchKind = keyof typeof BATCHES;

/** How batches of a kind are told. */
export function batchDialect(kind: BatchKind): BatchDialect {
  return BATCHES[kind];
}
