/** A configuration out of nothing but the environment. */
import type { ProviderFacts } from "../wire/facts.ts";
import { REASONING_STATE_DEFAULT } from "./reasoning-state.ts";
import { RESPONSES_DEFAULT } from "./responses.ts";
import { Secret } from "./secret.ts";
import type { Account, Config } from "./types.ts";
import { keyDigest } from "./values.ts";

/** The variable that holds the caller key where no file names any. */
export const CALLER_KEY_VARIABLE = "SPILLWAY_API_KEY";

/**
 * One account for each provider whose variable is set (the first set one wins); simulated where there is none.
 * Providers without variables, without an address of their own or with a protocol that is not spoken are passed over.
 */
export function configFromEnvironment(env: Readonly<Record<string, string | undefined>>, providers: ReadonlyMap<string, ProviderFacts>): Config {
  const accounts = [...providers.values()].flatMap((provider) => discovered(provider, env) ?? []);
  const callerKey = env[CALLER_KEY_VARIABLE]?.trim() ?? "";
  return {
    source: accounts.length === 0 ? "simulated" : "environment",
    keys: callerKey === "" ? [] : [{ name: "environment", sha256: keyDigest(callerKey) }],
    accounts,
    routes: [],
    aliases: [],
    files: "auto",
    fallbacks: "auto",
    unpriced: "refuse",
    remoteImages: "fetch",
    health: { restMs: 5_000, restMaxMs: 300_000 },
    ledger: { sync: "process" },
    cors: { origins: [] },
    responses: RESPONSES_DEFAULT,
    reasoningState: REASONING_STATE_DEFAULT,
    budgets: [],
    limits: [],
    channels: [],
    display: null,
    prices: [],
    contracts: [],
    objectives: [],
    chat: { reasoningField: "reasoning_content" },
    simulated: accounts.length === 0,
  };
}

function discovered(provider: ProviderFacts, env: Readonly<Record<string, string | undefined>>): Account | null {
  const { baseUrl } = provider;
  if (provider.dialect === null || baseUrl === null || baseUrl.includes("{")) return null;
  const variable = provider.env.find((name) => (env[name]?.trim() ?? "") !== "");
  if (variable === undefined) return null;
  return {
    name: provider.id,
    provider,
    baseUrl,
    apiKey: new Secret(env[variable]?.trim() ?? ""),
    keyFrom: variable,
    region: null,
    domain: {},
    proxyUrl: null,
    caFile: null,
    unmetered: provider.unmetered,
    models: new Map(),
  };
}
