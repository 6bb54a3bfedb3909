/**
 * What a set of changes comes to, before anything is written: new versions of objects, and one line of the audit log for
 * each, chained by hash to the line before. All of it or a refusal.
 */
import { hash } from "node:crypto";
import { canonicalJson } from "../control/canonical.ts";
import type { Actor, ApplyResult, AuditLine, Change, StoredObject } from "../control/types.ts";
import type { Json, JsonObject } from "../wire/json.ts";
import type { ControlMirror } from "./control-mirror.ts";

/** What may be shown of an object; fields that are not are named in the log without their values. */
export type Shown = (object: StoredObject) => JsonObject;

/** Listeners are told these. */
export interface Changed {
  readonly kind: string;
  readonly id: string;
  /** null: deleted. */
  readonly object: StoredObject | null;
}

export interface ChangePlan {
  readonly kind: "plan";
  readonly changed: readonly Changed[];
  readonly lines: readonly AuditLine[];
}

/** The last line of the log. */
export interface AuditHead {
  readonly sequence: number;
  readonly hash: string;
}
export const NO_LINES: AuditHead = { sequence: 0, hash: "" };

export interface PlanFacts {
  readonly reads: Pick<ControlMirror, "get" | "retiredVersion">;
  readonly actor: Actor;
  readonly action: string;
  readonly nowMs: number;
  readonly head: AuditHead;
  readonly shown: Shown;
}

/** Work out what `changes` come to, each seeing those before it. */
export function planChanges(changes: readonly Change[], facts: PlanFacts): ChangePlan | Extract<ApplyResult, { kind: "refused" }> {
  const staged = new Map<string, StoredObject | null>();
  const retired = new Map<string, number>();
  const changed: Changed[] = [];
  const lines: AuditLine[] = [];
  let head = facts.head;
  for (const change of changes) {
    const place = JSON.stringify([change.kind, change.id]);
    const found = staged.get(place);
    const before = found === undefined ? facts.reads.get(change.kind, change.id) : (found ?? undefined);
    const refusal = misfit(change, before);
    if (refusal !== null) return refusal;
    if (change.op === "delete") retired.set(place, before?.version ?? 0);
    const after = change.op === "delete" ? null : nextVersion(change, before, retired.get(place) ?? facts.reads.retiredVersion(change.kind, change.id), facts.nowMs);
    staged.set(place, after);
    changed.push({ kind: change.kind, id: change.id, object: after });
    const line = {
      sequence: head.sequence + 1,
      atMs: facts.nowMs,
      actor: facts.actor.id,
      action: facts.action,
      kind: change.kind,
      id: change.id,
      tenant: (after ?? before)?.tenant ?? facts.actor.tenant,
      detail: differenceOf(before, after, facts.shown),
    };
    const chained = { ...line, hash: auditHash(head.hash, line) };
    lines.push(chained);
    head = chained;
  }
  return { kind: "plan", changed, lines };
}

/** The hash of a line: over the hash before it, and all that it says. */
export function auditHash(before: string, line: Omit<AuditLine, "hash">): string {
  const { sequence, atMs, actor, action, kind, id, tenant, detail } = line;
  return hash("sha256", before + canonicalJson({ sequence, atMs, actor, action, kind, id, tenant, detail }), "hex");
}

/** Follows the chain; null where every line fits and the last one is `head`. */
export function verifyChain(lines: Iterable<AuditLine>, head: AuditHead): { readonly sequence: number; readonly problem: string } | null {
  let last = NO_LINES;
  for (const line of lines) {
    if (line.sequence !== last.sequence + 1) return { sequence: last.sequence + 1, problem: "the line is missing" };
    if (line.hash !== auditHash(last.hash, line)) return { sequence: line.sequence, problem: "the line, or one before it, is not as it was written" };
    last = line;
  }
  if (last.sequence < head.sequence) return { sequence: last.sequence + 1, problem: "the line is missing" };
  return last.sequence === head.sequence && last.hash === head.hash ? null : { sequence: last.sequence, problem: "the line was added by someone else" };
}

function misfit(change: Change, before: StoredObject | undefined): Extract<ApplyResult, { kind: "refused" }> | null {
  const refused = (code: "not_found" | "conflict", message: string): Extract<ApplyResult, { kind: "refused" }> => ({ kind: "refused", code, message, problems: [] });
  const what = `${change.kind} ${change.id}`;
  if (before === undefined) {
    if (change.op === "delete") return refused("not_found", `There is no ${what}.`);
    return (change.ifVersion ?? 0) === 0 ? null : refused("conflict", `${what} was deleted meanwhile.`);
  }
  // Nobody moves into another organisation what is not theirs.
  if (change.op === "put" && change.tenant !== before.tenant) return refused("conflict", `${what} exists already.`);
  if (change.ifVersion === undefined || change.ifVersion === before.version) return null;
  return refused("conflict", change.ifVersion === 0 ? `${what} exists already.` : `${what} was changed meanwhile: it is at version ${before.version}, not ${change.ifVersion}.`);
}

function nextVersion(change: Extract<Change, { op: "put" }>, before: StoredObject | undefined, retired: number, nowMs: number): StoredObject {
  const { kind, id, tenant, version = Math.max(before?.version ?? 0, retired) + 1 } = change;
  // What is in memory is what is on disk, whatever becomes of the caller's object.
  const body = JSON.parse(JSON.stringify(change.body)) as JsonObject;
  return { kind, id, tenant, version, createdMs: before?.createdMs ?? nowMs, updatedMs: nowMs, body };
}

/** Changed fields: what may be shown with its old and new value, anything else by its name alone. */
function differenceOf(before: StoredObject | undefined, after: StoredObject | null, shown: Shown): Json {
  const oldBody = before?.body ?? {};
  const newBody = after?.body ?? {};
  const oldShown = before === undefined ? {} : shown(before);
  const newShown = after === null ? {} : shown(after);
  const detail: Record<string, Json> = {};
  for (const field of new Set([...Object.keys(oldBody), ...Object.keys(newBody)])) {
    if (canonicalJson(oldBody[field]) === canonicalJson(newBody[field])) continue;
    const open = oldShown[field] !== undefined || newShown[field] !== undefined;
    detail[field] = open ? { from: oldShown[field] ?? null, to: newShown[field] ?? null } : "changed";
  }
  return detail;
}
