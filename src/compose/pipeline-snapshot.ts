/** The configuration as the pipeline sees it: names, and how each account is reached. Secrets are revealed here and nowhere else. */
import type { Snapshot as ConfigSnapshot } from "../config/snapshot.ts";
import type { Account } from "../config/types.ts";
import type { Deployment } from "../decide/deployment.ts";
import type { Snapshot, Transport } from "../pipeline/deps.ts";

/** Transports are made once per account, not per request. */
export function pipelineSnapshot(snapshot: ConfigSnapshot): Snapshot {
  const transports = new Map<string, Transport>();
  for (const account of snapshot.accounts.values()) transports.set(account.name, transportOf(account));
  return {
    directory: snapshot.directory,
    simulated: snapshot.config.simulated,
    transport: (deployment: Deployment): Transport => {
      const transport = transports.get(deployment.account);
      if (transport === undefined) throw new Error(`no account ${deployment.account}`);
      return transport;
    },
  };
}

function transportOf(account: Account): Transport {
  const url = new URL(account.baseUrl);
  const secret = account.apiKey?.reveal() ?? null;
  const headers: string[] = [];
  const { auth } = account.provider;
  if (secret !== null && auth.kind === "bearer") headers.push("authorization", `Bearer ${secret}`);
  else if (secret !== null && auth.kind === "header") headers.push(auth.name, secret);
  for (const [name, value] of account.provider.headers) headers.push(name, value);
  return {
    origin: url.origin,
    basePath: url.pathname === "/" ? "" : url.pathname.replace(/\/$/, ""),
    headers,
    proxyUrl: account.proxyUrl,
    caFile: account.caFile,
    secret,
  };
}
