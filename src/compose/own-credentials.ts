/**
 * Managed credentials of providers in the running gateway: which callers have which accounts of their own, and how those
 * are called. Made anew whenever the configuration or a credential changes; a running request keeps what it began with.
 */
import { Secret } from "../config/secret.ts";
import type { Snapshot as ConfigSnapshot } from "../config/snapshot.ts";
import type { Account } from "../config/types.ts";
import { OWN_ELSEWHERE, placeOf } from "../control/kinds/credential.ts";
import type { Vault } from "../control/seal.ts";
import type { ControlStore, StoredObject } from "../control/types.ts";
import { EveryDirectory, OwnDirectory, type OwnAccount, type OwnUses } from "../decide/own-accounts.ts";
import type { Directory } from "../decide/names.ts";
import type { Snapshot, Transport } from "../pipeline/deps.ts";
import type { Caller, Log } from "../ports.ts";
import { asString } from "../wire/json.ts";
import { accountOrigins, transportOf, type TransportPorts } from "./pipeline-snapshot.ts";

export interface Views {
  /** The configuration as this caller sees it. */
  of(caller: Caller): Snapshot;
  /** As the gateway itself sees it: every account of everybody. */
  readonly all: Snapshot;
  /** Where the credentials' calls may go. */
  readonly origins: readonly string[];
  /** Their accounts. */
  readonly accounts: readonly string[];
}

interface Facts {
  readonly config: ConfigSnapshot;
  readonly store: Pick<ControlStore, "all">;
  readonly vault: Vault;
  readonly ports: TransportPorts;
  readonly log: Log;
}

/** One credential, ready to be called by. */
interface Ready {
  readonly own: OwnAccount;
  readonly account: Account;
}

/** The views of a snapshot; without any credential they are all the snapshot itself. */
export function viewsOf(snapshot: Snapshot, facts: Facts): Views {
  const stored = credentialsOf(facts);
  if (stored.length === 0) return { of: () => snapshot, all: snapshot, origins: [], accounts: [] };
  const ready = new Map<StoredObject, Ready>();
  const transports = new Map<string, Transport>();
  for (const object of stored) {
    const one = readyOf(object, facts);
    if (one === null) continue;
    ready.set(object, one);
    transports.set(one.own.name, transportOf(one.account, facts.ports));
  }
  const transport: Snapshot["transport"] = (deployment) => transports.get(deployment.account) ?? snapshot.transport(deployment);
  const views = new Map<string, Snapshot>();
  const ofScopes = new WeakMap<readonly string[], Snapshot>();
  const of = ({ tenant, scopes }: Caller): Snapshot => {
    let found = ofScopes.get(scopes);
    if (found !== undefined) return found;
    const team = scopes.find((scope) => scope.startsWith("team/"))?.slice("team/".length) ?? null;
    const name = JSON.stringify([tenant, team]);
    found = views.get(name);
    if (found === undefined) {
      const uses = usesOf(stored, ready, tenant, team);
      found = uses.size === 0 ? snapshot : withDirectory(snapshot, new OwnDirectory(snapshot.directory, uses), transport);
      views.set(name, found);
    }
    ofScopes.set(scopes, found);
    return found;
  };
  const all = [...ready.values()];
  return {
    of,
    all: withDirectory(snapshot, new EveryDirectory(snapshot.directory, all.map((one) => one.own)), transport),
    origins: all.flatMap((one) => accountOrigins(one.account)),
    accounts: all.map((one) => one.own.name),
  };
}

/** Runs `changed` after each change of credentials. */
export function onCredentialsChanged(store: Pick<ControlStore, "onChange">, changed: () => void): void {
  store.onChange((changes) => {
    if (changes.some(({ kind }) => kind === "credential" || kind === OWN_ELSEWHERE)) changed();
  });
}

/** Those of configured accounts: of this folder, and what is known of those elsewhere that it has none for. */
function credentialsOf({ store, config }: Facts): readonly StoredObject[] {
  const here = [...store.all("credential")];
  const places = new Set(here.map(placeOf));
  return [...here, ...[...store.all(OWN_ELSEWHERE)].filter(({ id }) => !places.has(id))].filter(({ body }) => config.accounts.has(asString(body["account"]) ?? ""));
}

/** What members of a team call in place of each account: the organisation's own credential, and the team's as it says. */
function usesOf(stored: readonly StoredObject[], ready: ReadonlyMap<StoredObject, Ready>, tenant: string, team: string | null): OwnUses {
  const uses = new Map<string, readonly (OwnAccount | null)[]>();
  const mine = stored.filter((object) => object.tenant === tenant);
  for (const object of mine) {
    const own = ready.get(object)?.own;
    const account = asString(object.body["account"]) ?? "";
    if (object.body["team"] !== undefined) continue;
    if (own !== undefined) uses.set(account, [own]);
    else if (object.kind === OWN_ELSEWHERE) uses.set(account, []);
  }
  for (const object of mine) {
    const { account, team: of, use = "only" } = object.body;
    if (team === null || of !== team || typeof account !== "string") continue;
    const own = ready.get(object)?.own;
    const others = use === "only" ? [] : (uses.get(account) ?? [null]);
    const itself = own === undefined ? [] : [own];
    uses.set(account, use === "last" ? [...others, ...itself] : [...itself, ...others]);
  }
  return uses;
}

/** null: disabled, without a secret, or one that does not open. */
function readyOf(object: StoredObject, { config, vault, log }: Facts): Ready | null {
  const { body, id, tenant } = object;
  if (object.kind === OWN_ELSEWHERE) return null;
  const account = config.accounts.get(asString(body["account"]) ?? "");
  const sealed = asString(body["sealed"]);
  if (account === undefined || sealed === undefined || body["disabled"] === true) return null;
  if (account.credential !== undefined || account.provider.auth.kind === "none") {
    log.warn("credential_not_used", { credential: id, account: account.name, why: "the account is not called by a key" });
    return null;
  }
  const secret = vault.open({ tenant, kind: "credential", id }, sealed);
  if (secret === undefined) {
    log.error("credential_not_opened", { credential: id, account: account.name });
    return null;
  }
  const baseUrl = asString(body["base_url"])?.replace(/\/+$/, "") ?? null;
  const team = asString(body["team"]);
  const own: OwnAccount = { name: `${account.name}~${team ?? `@${tenant}`}`, account: account.name, baseUrl, ...(team === undefined ? {} : { paidBy: "team" as const }) };
  return { own, account: { ...account, name: own.name, apiKey: new Secret(secret), keyFrom: null, ...(baseUrl === null ? {} : { baseUrl }) } };
}

function withDirectory(snapshot: Snapshot, directory: Directory, transport: Snapshot["transport"]): Snapshot {
  return {
    ...snapshot,
    // It is asked anew each time.
    get sharesKept(): boolean {
      return snapshot.sharesKept;
    },
    directory,
    transport,
  };
}
