/** Managed objects as the gateway runs them: the store of the data folder, who its keys stand for, and what seals its secrets. */
import { existsSync } from "node:fs";
import { CallerBook } from "../control/callers.ts";
import { kindsWith, shownOf } from "../control/kinds/index.ts";
import type { Managed } from "../control/manage.ts";
import type { Vault } from "../control/seal.ts";
import type { Actor, Kind } from "../control/types.ts";
import type { Config } from "../config/types.ts";
import type { AuthSettings } from "../edge/auth.ts";
import { controlCipher, controlPathOf } from "../storage/control-files.ts";
import { openControlForReading, SqliteControlStore, type OpenControlStore } from "../storage/control.ts";
import type { StateCipher } from "../storage/state-cipher.ts";
import { hasModel, hasRoute, namesOf } from "./scope-names.ts";

/** Whoever may open the data folder. */
export const LOCAL_ACTOR: Actor = { id: "local", tenant: "default", role: "owner" };

export interface Control {
  readonly store: OpenControlStore;
  readonly kinds: ReadonlyMap<string, Kind>;
  readonly vault: Vault;
  readonly book: CallerBook;
  close(): void;
}

/** Opens the store of a folder that this process owns, with the organisation that is there always. Throws StorageError. */
export function openControl(folder: string, wallMs: () => number = Date.now): Control {
  const store = new SqliteControlStore(controlPathOf(folder), { shown: shownOf, wallMs });
  if (store.get("organisation", "default") === undefined) {
    store.apply([{ op: "put", kind: "organisation", id: "default", tenant: "default", body: { name: "Default" }, ifVersion: 0 }], LOCAL_ACTOR, "create");
  }
  const vault = vaultIn(folder);
  return { store, vault, kinds: kindsWith(vault), book: new CallerBook(store), close: () => store.close() };
}

/** How many keys are managed in a folder that nobody owns yet. Throws StorageError. */
export function storedKeys(folder: string): number {
  const path = controlPathOf(folder);
  if (!existsSync(path)) return 0;
  const reader = openControlForReading(path);
  try {
    return [...reader.all("key")].length;
  } finally {
    reader.close();
  }
}

/** What changes of managed objects are checked against: `config` is asked anew each time. */
export function managedBy(control: Pick<Control, "store" | "kinds">, config: () => Config, nowMs: () => number = Date.now): Managed {
  return { store: control.store, kinds: control.kinds, nowMs, configured: (scope) => isConfigured(config(), scope) };
}

/** Does the configuration have this key, route, model or account? `keyed/openai`: an account that is called by a key. */
function isConfigured(config: Config, scope: string): boolean {
  const slash = scope.indexOf("/");
  const name = scope.slice(slash + 1);
  switch (scope.slice(0, slash)) {
    case "key":
      return config.keys.some((key) => key.name === name);
    case "route":
      return hasRoute(namesOf(config), name);
    case "model":
      return hasModel(namesOf(config), name);
    case "provider":
      return config.accounts.some((account) => account.name === name);
    case "keyed":
      return config.accounts.some((account) => account.name === name && account.credential === undefined && account.provider.auth.kind !== "none");
    default:
      return false;
  }
}

/** Who may call, by the configuration and by the book. `host`: where we listen. */
export function authSettings(config: Config, book: CallerBook, loopback: boolean): AuthSettings {
  const importances = new Map(config.keys.flatMap(({ name, importance }) => (importance === undefined ? [] : [[name, importance] as const])));
  return { keys: new Map(config.keys.map((key) => [key.sha256, key.name])), importances, book, corsOrigins: config.cors.origins, exposed: !loopback };
}

/** Seals with the folder's key, which is made when the first credential comes. */
export function vaultIn(folder: string): Vault {
  let cipher: StateCipher | null = null;
  const open = (): StateCipher => (cipher ??= controlCipher(folder));
  return {
    seal: ({ tenant, kind, id }, text) => open().seal({ tenant, key: "", kind }, id, Buffer.from(JSON.stringify(text))).toString("base64url"),
    open: ({ tenant, kind, id }, sealed) => {
      const text = open().open({ tenant, key: "", kind }, id, Buffer.from(sealed, "base64url"));
      return typeof text === "string" ? text : undefined;
    },
  };
}
