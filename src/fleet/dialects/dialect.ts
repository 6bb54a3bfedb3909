/** What the fleet must know to speak a provider's protocol. */
import type { IncomingHttpHeaders } from "node:http";
import type { Answer } from "../answer.ts";
import type { Ask, Body } from "../ask.ts";
import type { KeptEndpoint } from "../kept.ts";
import type { Made, MadeName, MadeRequest } from "../made.ts";

export type Endpoint =
  | { readonly kind: "chat"; readonly model?: string; readonly stream?: boolean; readonly sse?: boolean }
  | { readonly kind: "embeddings"; readonly model?: string; readonly batch?: boolean }
  /** How many tokens a prompt has; free. */
  | { readonly kind: "count"; readonly model?: string }
  | { readonly kind: "made"; readonly name: MadeName; readonly model?: string }
  | KeptEndpoint
  | { readonly kind: "models"; readonly id?: string };

/** What surrounds an answer. */
export interface Envelope {
  /** Letters and digits, fresh for each call. */
  readonly id: string;
  readonly requestId: string;
  readonly model: string;
  /** Seconds since 1970. */
  readonly created: number;
  readonly inputTokens: number;
  readonly cachedTokens: number;
  /** Written to the cache, where the dialect tells it. */
  readonly writtenTokens: number;
  /** The tier that serves; undefined: the standard one. */
  readonly tier: string | undefined;
  /** Searches that the provider made. */
  readonly searches: number;
  readonly usage: "normal" | "missing" | "duplicate";
  /** A 200 in which nothing is said. */
  readonly empty: boolean;
  readonly simulated: boolean;
  /** Streams as server-sent events; else (Gemini without `alt=sse`) as one JSON array. */
  readonly sse: boolean;
}

/** One event of a stream as it goes to the socket. */
export interface Frame {
  readonly text: string;
  /** Output tokens that it carries. */
  readonly tokens: number;
  /** lifecycle: before any content. filler: between contents, nothing that a user sees. tail: from the finish reason on. */
  readonly kind: "lifecycle" | "content" | "filler" | "tail";
  /** Tells the final usage. */
  readonly usage?: boolean;
}

export type ErrorClass = "auth" | "bad-request" | "not-found" | "rate-limit" | "overloaded" | "server";

export interface FleetDialect {
  /** The credential as sent, if any. */
  credential(headers: IncomingHttpHeaders, query: URLSearchParams): string | undefined;
  endpoint(method: string, path: string, query: URLSearchParams): Endpoint | undefined;
  /** The call in neutral words, or a sentence that says what is wrong with it. */
  read(body: Body, endpoint: Endpoint & { kind: "chat" }): Ask | string;
  json(ask: Ask, answers: readonly Answer[], envelope: Envelope): unknown;
  frames(ask: Ask, answers: readonly Answer[], envelope: Envelope): Iterable<Frame>;
  error(cls: ErrorClass, status: number, message: string, requestId: string): unknown;
  /** An error inside a stream that began with 200. */
  errorFrame(type: string | undefined, message: string | undefined): string;
  models(names: readonly string[], id: string | undefined): unknown;
  embeddings(body: Body, endpoint: Endpoint & { kind: "embeddings" }, envelope: Envelope): { body: unknown; inputTokens: number } | string;
  /** What is no chat; absent: `endpoint` never gives any. */
  made?(name: MadeName, request: MadeRequest, envelope: Envelope): Made | string;
  /** Counts by the rule that its answers are billed by. A sentence says what is wrong with the call. */
  count?(body: Body, endpoint: Endpoint & { kind: "count" }): object | string;
  headers(envelope: Envelope): Record<string, string>;
}
