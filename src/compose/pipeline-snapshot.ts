/** The configuration as the pipeline sees it: names, and how each account is reached. Secrets are revealed here and nowhere else. */
import type { Snapshot as ConfigSnapshot } from "../config/snapshot.ts";
import type { Account } from "../config/types.ts";
import type { Deployment } from "../decide/deployment.ts";
import { authorizer, credentialOrigins, type CredentialPorts } from "../edge/credentials.ts";
import type { Snapshot, Transport } from "../pipeline/deps.ts";
import type { AuthFacts } from "../wire/facts.ts";

/** What accounts whose credential has to be fetched need of the world. */
export type TransportPorts = Pick<CredentialPorts, "upstream" | "clock" | "readFile">;

/** Transports are made once per account, not per request. `stored`: the keys that are managed beside those of the configuration. */
export function pipelineSnapshot(snapshot: ConfigSnapshot, ports: TransportPorts, stored: { readonly size: number } = NO_KEYS): Snapshot {
  const transports = new Map<string, Transport>();
  for (const account of snapshot.accounts.values()) transports.set(account.name, transportOf(account, ports));
  return {
    directory: snapshot.directory,
    simulated: snapshot.config.simulated,
    get sharesKept(): boolean {
      const { files, keys } = snapshot.config;
      return files === "shared" || (files === "auto" && keys.length + stored.size <= 1);
    },
    fetchesImages: snapshot.config.remoteImages === "fetch",
    showsReasoningTwice: snapshot.config.chat.reasoningField === "both",
    responsesTtlMs: snapshot.config.responses.ttlMs,
    reasoningTtlMs: snapshot.config.reasoningState.ttlMs,
    transport: (deployment: Deployment): Transport => {
      const transport = transports.get(deployment.account);
      if (transport === undefined) throw new Error(`no account ${deployment.account}`);
      return transport;
    },
  };
}

const NO_KEYS = { size: 0 };

/** Where calls of this account may go: its address, and the places that give its credential. */
export function accountOrigins(account: Account): readonly string[] {
  const { credential } = account;
  return [new URL(account.baseUrl).origin, ...(credential === undefined ? [] : credentialOrigins(credential))];
}

/** Where and how an account is called. */
export function transportOf(account: Account, ports: TransportPorts): Transport {
  const url = new URL(account.baseUrl);
  const secret = account.apiKey?.reveal() ?? null;
  const headers = secret === null ? [] : keyHeader(account.provider.auth, secret);
  for (const [name, value] of account.provider.headers) headers.push(name, value);
  const transport = {
    origin: url.origin,
    basePath: url.pathname === "/" ? "" : url.pathname.replace(/\/$/, ""),
    headers,
    proxyUrl: account.proxyUrl,
    caFile: account.caFile,
    secret,
  };
  if (account.credential === undefined) return transport;
  const proof = authorizer(account.credential, { ...ports, proxyUrl: account.proxyUrl, caFile: account.caFile });
  return {
    ...transport,
    // It changes with every renewal.
    get secret(): string | null {
      return proof.secret();
    },
    authorize: (call) => proof.authorize(call),
  };
}

function keyHeader(auth: AuthFacts, key: string): string[] {
  switch (auth.kind) {
    case "header":
      return [auth.name, key];
    case "entra":
      return [auth.keyHeader, key];
    case "none":
      return [];
    default:
      return ["authorization", `Bearer ${key}`];
  }
}
