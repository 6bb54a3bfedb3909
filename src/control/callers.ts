/**
 * Who a key stands for: from the hash of its secret to the caller, ready to be taken. Followed from change to change, so
 * that a request costs one look-up and nothing else, however many keys there are.
 */
import { IMPORTANCES, lowered, type Importance } from "../decide/objective/shedding.ts";
import type { Caller, CallerPolicy } from "../ports.ts";
import { asString, type JsonObject } from "../wire/json.ts";
import { parseUsd } from "../wire/money.ts";
import { listOf } from "./kinds/fields.ts";
import { secretsOf } from "./kinds/key.ts";
import type { ControlStore, StoredObject } from "./types.ts";

/** A caller and how long its secret is one. */
export interface KnownCaller {
  readonly caller: Caller;
  /** Wall time from which on it is unknown; Infinity: no such time. */
  readonly untilMs: number;
}

type ChangedObject = { readonly kind: string; readonly id: string; readonly object: StoredObject | null };

export class CallerBook {
  readonly #store: Pick<ControlStore, "get" | "all">;
  readonly #byHash = new Map<string, KnownCaller>();
  /** What of a key is in the book: its hashes, the team that pays, and the project by which it does. */
  readonly #ofKey = new Map<string, { readonly hashes: readonly string[]; readonly team: string | undefined; readonly project: string | undefined }>();
  readonly #ofProject = new Map<string, Set<string>>();
  #reserved: ReadonlySet<string>;
  #keys = 0;

  /** `reserved`: names of keys of the configuration; a stored key of that name is none. */
  constructor(store: Pick<ControlStore, "get" | "all" | "onChange">, reserved: ReadonlySet<string> = new Set()) {
    this.#store = store;
    this.#reserved = reserved;
    for (const object of store.all("key")) this.#enter(object);
    store.onChange((changed) => this.#follow(changed));
  }

  /** Whoever shows a key with this SHA-256 (base64url); whether it has expired is for the asker to say. */
  get(sha256: string): KnownCaller | undefined {
    return this.#byHash.get(sha256);
  }

  /** How many keys there are, usable or not: with any, nobody calls without one. */
  get size(): number {
    return this.#keys;
  }

  /** Names that the configuration takes from now on. Gives the stored keys that are none because of it. */
  reserve(names: ReadonlySet<string>): readonly string[] {
    const before = this.#reserved;
    this.#reserved = names;
    for (const name of new Set([...before, ...names])) this.#renew(name);
    return [...names].filter((name) => this.#store.get("key", name) !== undefined);
  }

  #follow(changed: readonly ChangedObject[]): void {
    for (const { kind, id } of changed) {
      if (kind === "key") this.#renew(id);
      else if (kind === "team") for (const [key, { team }] of Array.from(this.#ofKey)) {
        if (team === id) this.#renew(key);
      } else if (kind === "project") for (const key of Array.from(this.#ofProject.get(id) ?? [])) this.#renew(key);
    }
  }

  #renew(id: string): void {
    this.#forget(id);
    const object = this.#store.get("key", id);
    if (object !== undefined) this.#enter(object);
  }

  #forget(id: string): void {
    const known = this.#ofKey.get(id);
    if (known === undefined) return;
    this.#keys--;
    this.#ofKey.delete(id);
    for (const hash of known.hashes) this.#byHash.delete(hash);
    if (known.project !== undefined) this.#ofProject.get(known.project)?.delete(id);
  }

  #enter(object: StoredObject): void {
    const { id, body } = object;
    const project = asString(body["project"]);
    const ofProject = project === undefined ? undefined : this.#store.get("project", project);
    const team = teamOf(object, ofProject);
    const hashes: string[] = [];
    if (body["disabled"] !== true && !this.#reserved.has(id)) {
      const caller = callerOf(object, ofProject, team === undefined ? undefined : this.#store.get("team", team));
      const expires = asString(body["expires_at"]);
      const endMs = expires === undefined ? Number.POSITIVE_INFINITY : Date.parse(expires);
      for (const { hash, untilMs } of secretsOf(body)) {
        hashes.push(hash);
        this.#byHash.set(hash, { caller, untilMs: Math.min(untilMs ?? Number.POSITIVE_INFINITY, endMs) });
      }
    }
    this.#keys++;
    this.#ofKey.set(id, { hashes, team, project });
    if (project === undefined) return;
    let keys = this.#ofProject.get(project);
    if (keys === undefined) this.#ofProject.set(project, (keys = new Set()));
    keys.add(id);
  }
}

/** The team that pays for a key. */
function teamOf({ body }: StoredObject, project: StoredObject | undefined): string | undefined {
  return asString(project?.body["team"]) ?? asString(body["team"]);
}

/** The caller that a stored key stands for. Frozen: every request of the key shares it. `ofTeam`: the team that pays, where its word counts. */
export function callerOf(key: StoredObject, project: StoredObject | undefined, ofTeam?: StoredObject): Caller {
  const { body } = key;
  const team = teamOf(key, project);
  const member = asString(body["member"]);
  const scopes = [
    `tenant/${key.tenant}`,
    ...(team === undefined ? [] : [`team/${team}`]),
    ...(project === undefined ? [] : [`project/${project.id}`]),
    `key/${key.id}`,
    ...(member === undefined ? [] : [`member/${member}`]),
  ];
  const policy = policyOf(body);
  const importance = least(importanceIn(body), importanceIn(ofTeam?.body));
  return Object.freeze({ tenant: key.tenant, key: key.id, scopes: Object.freeze(scopes), ...(policy === null ? {} : { policy }), ...(importance === null ? {} : { importance }) });
}

function importanceIn(body: JsonObject | undefined): Importance | null {
  return IMPORTANCES.find((one) => one === body?.["importance"]) ?? null;
}

/** Of two that both bind; null: neither is given. */
function least(one: Importance | null, other: Importance | null): Importance | null {
  return one === null ? other : lowered(one, other);
}

/** What a key narrows; null where it narrows nothing, so that its requests are asked nothing. */
export function policyOf(body: JsonObject): CallerPolicy | null {
  const policy: CallerPolicy = {
    routes: listOf(body["routes"]),
    models: listOf(body["models"]),
    residency: listOf(body["residency"]),
    expose: body["expose"] === "none" || body["expose"] === "id" ? body["expose"] : "id+cost",
    maxRequestNanoUsd: parseUsd(body["max_request_usd"]),
    defaultMaxOutput: typeof body["default_max_output"] === "number" ? body["default_max_output"] : null,
    tagFields: listOf(body["tag_fields"]) ?? [],
  };
  const { routes, models, residency, expose, maxRequestNanoUsd, defaultMaxOutput, tagFields } = policy;
  const narrows = (routes ?? models ?? residency ?? maxRequestNanoUsd ?? defaultMaxOutput) !== null || expose !== "id+cost" || tagFields.length > 0;
  return narrows ? Object.freeze(policy) : null;
}
