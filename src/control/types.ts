/**
 * What operators manage: organisations, teams, projects, members, keys, credentials, budgets, limits, contracts, prices,
 * channels of the notifier. Each is an object of a kind, kept in the control store; every change is one transaction with its
 * line in the audit log. Nothing of this is on a request's way: compiled views are swapped in when something changes.
 */
import type { z } from "zod";
import type { Json, JsonObject } from "../wire/json.ts";

export type Role = "owner" | "admin" | "billing" | "developer" | "viewer";

/** Who changes or reads something. `local`: whoever may open the data folder; a member acts by a session or an admin token. */
export interface Actor {
  readonly id: string;
  readonly tenant: string;
  /** `key`: a caller's own key, which sees its own requests and nothing else. */
  readonly role: Role | "key";
}

/** An object as it is stored. Secrets in `body` are sealed or hashed before they come here. */
export interface StoredObject {
  readonly kind: string;
  readonly id: string;
  readonly tenant: string;
  /** 1, 2, 3 …: a change may name the version that it changes. */
  readonly version: number;
  readonly createdMs: number;
  readonly updatedMs: number;
  readonly body: JsonObject;
}

/** `ifVersion: 0`: only where there is none yet. */
export type Change =
  /** `version`: of a copy, whose versions are the original's; absent: one more than all that there were. */
  | { readonly op: "put"; readonly kind: string; readonly id: string; readonly tenant: string; readonly body: JsonObject; readonly ifVersion?: number; readonly version?: number }
  | { readonly op: "delete"; readonly kind: string; readonly id: string; readonly ifVersion?: number };

/** One line of the audit log: who did what, chained by hash to the line before. Secrets are left out. */
export interface AuditLine {
  readonly sequence: number;
  readonly atMs: number;
  readonly actor: string;
  readonly action: string;
  readonly kind: string;
  readonly id: string;
  /** Whose object it was. */
  readonly tenant: string;
  /** Names of the fields that changed, with old and new value where they are no secret. */
  readonly detail: Json;
  readonly hash: string;
}

/** A problem of one field of a change. */
export interface FieldProblem {
  /** `limit_usd`, `scopes[0]`. */
  readonly field: string;
  readonly message: string;
}

export type ApplyResult =
  | { readonly kind: "done"; readonly objects: readonly StoredObject[] }
  | { readonly kind: "refused"; readonly code: "not_found" | "conflict" | "invalid" | "unwritable"; readonly message: string; readonly problems: readonly FieldProblem[] };

/** Everything that is managed. Reads are answered from memory. */
export interface ControlStore {
  get(kind: string, id: string): StoredObject | undefined;
  /** In the order of ids, after `after`. */
  list(kind: string, options: { readonly tenant?: string; readonly after?: string; readonly limit: number }): readonly StoredObject[];
  all(kind: string): Iterable<StoredObject>;
  /** All changes or none, with one audit line each. Durable when it returns. */
  apply(changes: readonly Change[], actor: Actor, action: string): ApplyResult;
  audit(options: { readonly after: number; readonly limit: number; readonly tenant?: string }): readonly AuditLine[];
  /** The first line that does not fit the chain, or null: every line is as it was written and none is missing. */
  verifyAudit(): { readonly sequence: number; readonly problem: string } | null;
  /** Called after every applied change. */
  onChange(listener: (changed: readonly { readonly kind: string; readonly id: string; readonly object: StoredObject | null }[]) => void): void;
}

/** Whose object it is and when it is changed. */
export interface ObjectPlace {
  readonly id: string;
  readonly tenant: string;
  readonly nowMs: number;
}

export interface Sealed {
  readonly body: JsonObject;
  readonly once?: JsonObject;
}

/** One thing that can be done with an object (`rotate` a key). */
export interface KindAction {
  readonly description: string;
  readonly schema: z.ZodType<JsonObject>;
  /** The object's new body; `once` is shown to who did it and never again. */
  readonly run: (object: StoredObject, sent: JsonObject, nowMs: number) => Sealed;
}

/** What a kind is: its fields, what makes an object of it sound beside the others, and what is shown of it to whom. */
export interface Kind {
  readonly name: string;
  /** `/admin/v1/<plural>`. */
  readonly plural: string;
  readonly description: string;
  /** What a client sends to create or change one; unknown fields are refused. */
  readonly schema: z.ZodType<JsonObject>;
  /** Beyond the schema: references that lead nowhere, contradictions, overlaps. */
  readonly check: (body: JsonObject, id: string, store: Pick<ControlStore, "get" | "all">) => readonly FieldProblem[];
  /** The check reads any body, also one that the schema refuses: what is wrong is then told all at once. */
  readonly checksAny?: true;
  /** What is stored for what was sent: secrets hashed or sealed, defaults filled in. `once`: shown to the creator and never again. */
  readonly seal?: (sent: JsonObject, before: StoredObject | undefined, place: ObjectPlace) => Sealed;
  /** Fields of a stored body that are made here and that nobody sends. */
  readonly made?: readonly string[];
  /** Objects that one of this kind cannot be without: they are not deleted while it is there. */
  readonly needs?: (body: JsonObject) => readonly { readonly kind: string; readonly id: string }[];
  /** What can be done with one beside changing it: `POST /admin/v1/<plural>/{id}/<action>`, open to those who may update. */
  readonly actions?: Readonly<Record<string, KindAction>>;
  /** What is shown of a stored one; secrets never are. Absent: the body as it is. */
  readonly show?: (object: StoredObject) => JsonObject;
  /** Who may do what; a kind without an entry is open to nobody. */
  readonly access: Readonly<Record<"create" | "read" | "update" | "delete", readonly Role[]>>;
  /** Fields that only these roles see (contract prices) or change (adjustments, roles). */
  readonly fields?: Readonly<Record<string, { readonly read?: readonly Role[]; readonly write?: readonly Role[] }>>;
}
