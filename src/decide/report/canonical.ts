/** Events in their one spelling, and the digest over them. The hash itself is given: pure code has none. */
import { isObject, type Json, type JsonObject } from "../../wire/json.ts";
import type { Objective } from "../objective/types.ts";
import type { BadRequest, MinuteEvent, ScopedPromise } from "./types.ts";

/** A hash that takes text piece by piece: SHA-256, in hexadecimal. */
export interface Hash {
  update(text: string): unknown;
  digest(): string;
}
export type NewHash = () => Hash;

/** JSON with keys in order and nothing undefined. */
export function canonical(value: Json | undefined): string {
  if (Array.isArray(value)) return `[${value.map((one: Json) => canonical(one)).join(",")}]`;
  if (!isObject(value)) return JSON.stringify(value ?? null);
  const keys = Object.keys(value).filter((key) => value[key] !== undefined);
  return `{${keys.toSorted().map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`).join(",")}}`;
}

/** One line of what the digest is made over. */
export function minuteLine({ minuteMs, route, deployment, version, counts }: MinuteEvent): string {
  let line = `["minute",${minuteMs},${JSON.stringify(route)},${JSON.stringify(deployment)},${JSON.stringify(version)},{`;
  // As `canonical` would write it, which a month of minutes would wait for.
  for (const [i, name] of Object.keys(counts).toSorted().entries()) line += `${i === 0 ? "" : ","}${JSON.stringify(name)}:${counts[name] ?? 0}`;
  return `${line}}]\n`;
}

/** One line of what the digest is made over. */
export function badLine(bad: BadRequest): string {
  return `${canonical(["bad", bad as unknown as JsonObject])}\n`;
}

/** The order of events in a digest: by time, then by name, whatever order they were written in. */
export function inOrder(a: MinuteEvent, b: MinuteEvent): number {
  return a.minuteMs - b.minuteMs || compare(a.route, b.route) || compare(a.deployment, b.deployment) || compare(a.version, b.version);
}

/** As `inOrder`, for rows. */
export function badInOrder(a: BadRequest, b: BadRequest): number {
  return a.atMs - b.atMs || compare(a.requestId, b.requestId);
}

/** By code units: the same on every machine. */
export function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Names what was promised; "" where nothing was. Another promise, another version. */
export function versionOf(objectives: readonly Objective[], hash: NewHash): string {
  return objectives.length === 0 ? "" : hashed(canonical(objectives as unknown as Json), hash).slice(0, 16);
}

/** Names what was promised to requests in some scopes, and to which. `id` belongs to it: counts of two promises are never one. */
export function scopedVersionOf(id: string, promise: ScopedPromise, hash: NewHash): string {
  return hashed(canonical({ id, ...promise } as unknown as Json), hash).slice(0, 16);
}

/** The digest of one text. */
export function hashed(text: string, hash: NewHash): string {
  const one = hash();
  one.update(text);
  return one.digest();
}
