/** A process that has joined another: its budgets, its slices of them and its copy of the managed objects come from there. */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { authorityApi, AUTHORITY_PATH, COPIED_KINDS, readBudgets } from "../admin/authority.ts";
import type { AdminSettings } from "../admin/server.ts";
import type { Actor, ApplyResult, Change, StoredObject } from "../control/types.ts";
import type { SliceReply } from "../decide/budget/slices.ts";
import type { Budget } from "../decide/budget/types.ts";
import { AuthorityClient } from "../edge/upstream-authority.ts";
import type { Log } from "../ports.ts";
import type { OpenControlStore } from "../storage/control.ts";
import type { AuthorityLink } from "../storage/sliced-budgets.ts";
import type { SqliteStorage } from "../storage/sqlite.ts";
import { isObject, type Json } from "../wire/json.ts";
import type { Control } from "./control.ts";
import { JoinedCopy } from "./joined-copy.ts";
import { StartError } from "./start.ts";

const FOLLOW_EVERY_MS = 1_000;
const TOKEN_CHARACTERS_MIN = 32;
const TOKEN_VARIABLE = "SPILLWAY_AUTHORITY_TOKEN";

/** The token of joined processes, on either side; null: none is set. Throws StartError where it is too short. */
function authorityToken(env: Readonly<Record<string, string | undefined>>): string | null {
  const token = env[TOKEN_VARIABLE];
  if (token === undefined || token === "") return null;
  // A header carries it as it is: with a space or line break in it nobody could show it.
  if (token.length < TOKEN_CHARACTERS_MIN || !/^[\x21-\x7e]+$/.test(token)) throw new StartError(`${TOKEN_VARIABLE} must have at least ${TOKEN_CHARACTERS_MIN} characters, visible ASCII without spaces; openssl rand -base64 32 makes a good one.`);
  return token;
}

/** Both sides of what processes share: this one may have joined another, and others may have joined this one. */
export class Membership {
  readonly #url: string | null;
  readonly #client: AuthorityClient | null;
  readonly #token: string | null;
  readonly #log: Log;
  /** null: this process is its own authority. */
  readonly #copy: JoinedCopy | null;
  #follower: Follower | null = null;

  /** `url`: of the authority, null: this process is its own. Throws StartError. */
  constructor(url: string | null, env: Readonly<Record<string, string | undefined>>, folder: string, log: Log) {
    this.#url = url;
    this.#token = authorityToken(env);
    this.#client = joinedTo(url, env);
    this.#log = log;
    this.#copy = url === null ? null : new JoinedCopy(join(folder, "joined.json"), url, log);
  }

  /** Those of the authority's configuration, which bind here too; null: none was joined, or it was never reached. */
  get budgets(): readonly Budget[] | null {
    return this.#copy?.budgets ?? null;
  }

  /** The store as this process may change it. */
  wrap(control: Control): Control {
    return this.#url === null ? control : { ...control, store: followed(control.store, this.#url) };
  }

  /** For the ledger: where its room comes from. */
  get storage(): { readonly authority?: AuthorityLink } {
    return this.#client === null ? {} : { authority: sliceLink(this.#client) };
  }

  /** The admin API, with what joined processes ask in front of it. */
  api(admin: AdminSettings["api"], storage: SqliteStorage, control: Control, budgets: () => readonly Budget[]): AdminSettings["api"] {
    if (this.#token === null || this.#client !== null) return admin;
    const authority = authorityApi({ token: this.#token, answer: (reports) => storage.slices.answer(reports), store: control.store, budgets, boot: randomUUID() });
    return (request) => (new URL(request.url).pathname.startsWith(AUTHORITY_PATH) ? authority(request) : admin(request));
  }

  /**
   * Takes the authority's objects; with it gone, an earlier copy serves. Without either nobody knows who may call, and with a
   * token that it refuses nothing of it may be used: then this throws StartError. `budgetsChanged`: those of its configuration are others.
   */
  async start(control: Control, budgetsChanged: () => void): Promise<void> {
    if (this.#client === null || this.#copy === null) return;
    const copy = this.#copy;
    this.#follower = new Follower(this.#client, control.store, this.#log, (budgets) => {
      if (!copy.take(budgets)) return;
      this.#log.info("authority_budgets_taken", { budgets: budgets.length });
      budgetsChanged();
    });
    const problem = await this.#follower.start();
    if (problem === null) return;
    if (/\b401\b/.test(problem)) throw new StartError(`${this.#url} refuses the token in ${TOKEN_VARIABLE}: both sides need the same one.`);
    if (!copy.known) throw new StartError(`${this.#url} cannot be reached (${problem}), and this data folder has no copy of its keys and budgets yet. Start that gateway first.`);
  }

  close(): void {
    this.#follower?.close();
    this.#client?.close();
  }
}

/** The process to join, from the command line; null: none. Throws StartError. */
function joinedTo(url: string | null, env: Readonly<Record<string, string | undefined>>): AuthorityClient | null {
  if (url === null) return null;
  const token = authorityToken(env);
  if (token === null) throw new StartError(`--authority needs ${TOKEN_VARIABLE} in the environment, the same as at ${url}.`);
  if (!/^https?:\/\/[^/]+\/?$/.test(url)) throw new StartError(`--authority must be the admin address of another gateway, such as http://127.0.0.1:8485, not ${url}.`);
  return new AuthorityClient(url, token);
}

/** Asks for slices. */
function sliceLink(client: AuthorityClient): AuthorityLink {
  return {
    report: async (reports) => {
      const answer = await client.call("POST", `${AUTHORITY_PATH}reports`, { reports } as unknown as Json);
      if (!isObject(answer) || !Array.isArray(answer["replies"])) throw new Error("the authority's answer has no replies");
      return answer["replies"] as unknown as readonly SliceReply[];
    },
  };
}

/** A store whose objects are another process's: changed by following, by nobody else here. */
function followed(store: OpenControlStore, url: string): OpenControlStore {
  return {
    get: (kind, id) => store.get(kind, id),
    list: (kind, options) => store.list(kind, options),
    all: (kind) => store.all(kind),
    audit: (options) => store.audit(options),
    verifyAudit: () => store.verifyAudit(),
    onChange: (listener) => store.onChange(listener),
    close: () => store.close(),
    apply: (changes, actor, action): ApplyResult => {
      if (actor === FOLLOWER || !changes.some(({ kind }) => COPIED_KINDS.includes(kind))) return store.apply(changes, actor, action);
      return { kind: "refused", code: "conflict", message: `This gateway has joined ${url}: change it there.`, problems: [] };
    },
  };
}

const FOLLOWER: Actor = { id: "authority", tenant: "default", role: "owner" };

/** Keeps the copy of the authority's objects; with the authority gone, the last copy serves on. */
class Follower {
  readonly #client: AuthorityClient;
  readonly #store: OpenControlStore;
  readonly #log: Log;
  readonly #takeBudgets: (budgets: readonly Budget[]) => void;
  #known = "";
  #timer: NodeJS.Timeout | null = null;
  #closed = false;
  #failing = false;

  constructor(client: AuthorityClient, store: OpenControlStore, log: Log, takeBudgets: (budgets: readonly Budget[]) => void) {
    this.#client = client;
    this.#store = store;
    this.#log = log;
    this.#takeBudgets = takeBudgets;
  }

  /** The first copy, then one whenever something changed. Resolves after the first try, with what was wrong. */
  async start(): Promise<string | null> {
    const problem = await this.#follow();
    this.#timer = setInterval(() => void this.#follow(), FOLLOW_EVERY_MS).unref();
    return problem;
  }

  close(): void {
    this.#closed = true;
    if (this.#timer !== null) clearInterval(this.#timer);
  }

  /** null: followed. */
  async #follow(): Promise<string | null> {
    try {
      const answer = await this.#client.call("GET", `${AUTHORITY_PATH}state?known=${encodeURIComponent(this.#known)}`, null);
      if (this.#closed) return null;
      if (this.#failing) this.#log.info("authority_followed_again");
      this.#failing = false;
      if (answer === undefined) return null;
      if (!isObject(answer) || !Array.isArray(answer["objects"]) || typeof answer["version"] !== "string") throw new Error("the authority's answer has no objects");
      const budgets = readBudgets(answer["budgets"]);
      if (budgets === null) throw new Error("the authority does not tell the budgets of its configuration: it is of another version");
      this.#takeBudgets(budgets);
      this.#take(answer["objects"] as unknown as readonly StoredObject[]);
      this.#known = answer["version"];
      return null;
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (!this.#failing && !this.#closed) this.#log.warn("authority_not_followed", { error: message });
      this.#failing = true;
      return message;
    }
  }

  #take(objects: readonly StoredObject[]): void {
    const wanted = new Map(objects.map((object) => [`${object.kind}/${object.id}`, object]));
    const changes: Change[] = [];
    for (const { kind, id, tenant, version, body } of objects) {
      const here = this.#store.get(kind, id);
      // Rows name prices and contracts by their versions: those of the original.
      if (here?.version !== version || JSON.stringify(here.body) !== JSON.stringify(body)) changes.push({ op: "put", kind, id, tenant, body, version });
    }
    for (const kind of COPIED_KINDS) for (const { id } of this.#store.all(kind)) if (!wanted.has(`${kind}/${id}`)) changes.push({ op: "delete", kind, id });
    if (changes.length === 0) return;
    const result = this.#store.apply(changes, FOLLOWER, "follow");
    if (result.kind === "refused") throw new Error(result.message);
    this.#log.info("authority_objects_taken", { changes: changes.length });
  }
}
