/**
 * Who a token stands for. Tokens are looked up by the hash of all of them, so nothing of one is told by how long a look
 * takes; what is not known, has ended or is somebody's no more is all the same to who sent it.
 */
import { timingSafeEqual } from "node:crypto";
import { listOf } from "../control/kinds/fields.ts";
import { memberTokens, ROLES } from "../control/kinds/member.ts";
import { hashOfKey, isTokenText, newTokenText } from "../control/seal.ts";
import type { Actor, ControlStore, StoredObject } from "../control/types.ts";
import type { Caller } from "../ports.ts";
import { asString } from "../wire/json.ts";
import type { AdminActor } from "./types.ts";

/** The administrator's token, as an object of the store that no route shows. */
const TOKEN = { kind: "token", id: "admin", tenant: "default" } as const;
/** Whoever shows it. */
export const ADMINISTRATOR: Actor = { id: "admin", tenant: "default", role: "owner" };
/** A request carries no longer one. */
const TOKEN_MAX_CHARACTERS = 4_096;

type Store = Pick<ControlStore, "get" | "all" | "apply" | "onChange">;

/** A new token for the administrator; the one before it ends. What is kept is its hash. */
export function rotateAdminToken(store: Pick<ControlStore, "apply">, actor: Actor): string {
  const token = newTokenText();
  const result = store.apply([{ op: "put", ...TOKEN, body: { hash: hashOfKey(token) } }], actor, "rotate");
  if (result.kind === "refused") throw new Error(result.message);
  return token;
}

/** The administrator's token where there was none yet: to be shown now, and never again. */
export function firstAdminToken(store: Pick<ControlStore, "get" | "apply">, actor: Actor): string | null {
  return store.get(TOKEN.kind, TOKEN.id) === undefined ? rotateAdminToken(store, actor) : null;
}

export class Identities {
  readonly #store: Store;
  readonly #callerOf: (sha256: string) => Caller | undefined;
  readonly #members = new Map<string, string>();
  readonly #ofMember = new Map<string, readonly string[]>();

  /** `callerOf`: whose key has this hash. */
  constructor(store: Store, callerOf: (sha256: string) => Caller | undefined) {
    this.#store = store;
    this.#callerOf = callerOf;
    for (const member of store.all("member")) this.#enter(member);
    store.onChange((changed) => {
      for (const { kind, id, object } of changed) {
        if (kind !== "member") continue;
        this.#forget(id);
        if (object !== null) this.#enter(object);
      }
    });
  }

  /** Whoever an `authorization` header shows; null for nobody. */
  find(authorization: string | undefined): AdminActor | null {
    const token = /^bearer +(\S+)$/i.exec(authorization ?? "")?.[1] ?? "";
    // The same work for all of them, known or not.
    const sha256 = hashOfKey(token.slice(0, TOKEN_MAX_CHARACTERS));
    const administrator = this.#isAdministrator(sha256);
    const member = this.#memberBy(sha256);
    const caller = isTokenText(token) ? undefined : this.#callerOf(sha256);
    if (token === "" || token.length > TOKEN_MAX_CHARACTERS) return null;
    if (administrator) return { ...ADMINISTRATOR, member: null, teams: [], caller: null };
    if (member !== null) return member;
    return caller === undefined ? null : { id: `key/${caller.key}`, tenant: caller.tenant, role: "key", member: null, teams: [], caller };
  }

  #isAdministrator(sha256: string): boolean {
    const kept = asString(this.#store.get(TOKEN.kind, TOKEN.id)?.body["hash"]) ?? "";
    return sameText(kept, sha256);
  }

  #memberBy(sha256: string): AdminActor | null {
    const id = this.#members.get(sha256);
    const object = id === undefined ? undefined : this.#store.get("member", id);
    if (object === undefined) return null;
    const role = ROLES.find((one) => one === object.body["role"]);
    if (role === undefined) return null;
    return { id: object.id, tenant: object.tenant, role, member: object.id, teams: listOf(object.body["teams"]) ?? [], caller: null };
  }

  #enter(member: StoredObject): void {
    const hashes = memberTokens(member.body).map((token) => token.hash);
    for (const one of hashes) this.#members.set(one, member.id);
    this.#ofMember.set(member.id, hashes);
  }

  #forget(id: string): void {
    for (const one of this.#ofMember.get(id) ?? []) this.#members.delete(one);
    this.#ofMember.delete(id);
  }
}

/** Compared without telling by time where they differ. */
function sameText(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
