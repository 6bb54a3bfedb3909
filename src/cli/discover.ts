/** What is printed at the start: which providers were found and how, what they bring, and the lines to paste into an SDK. */
import { CALLER_KEY_VARIABLE } from "../config/discover.ts";
import type { Snapshot } from "../config/snapshot.ts";
import type { Account } from "../config/types.ts";
import type { Deployment } from "../decide/deployment.ts";
import { sdkLines } from "../providers/sdk-lines.ts";
import type { ProviderFacts } from "../wire/facts.ts";
import { table } from "./context.ts";

export interface DiscoveredProvider {
  readonly account: string;
  readonly provider: string;
  /** The variable that brought the key; null: the configuration holds it, or none is wanted. */
  readonly keyFrom: string | null;
  /** Models that can be called through it. */
  readonly models: number;
  /** Of these, how many another account could answer in its place. */
  readonly withFallback: number;
  readonly unmetered: boolean;
}

/** One entry for each account, in file order. Resolves every model once, which also warms the directory. */
export function discoveredProviders(snapshot: Snapshot): readonly DiscoveredProvider[] {
  const byAccount = new Map<string, Deployment[]>(snapshot.config.accounts.map((account) => [account.name, []]));
  for (const deployment of snapshot.deployments.values()) byAccount.get(deployment.account)?.push(deployment);
  return snapshot.config.accounts.map((account) => {
    const deployments = byAccount.get(account.name) ?? [];
    const withFallback = deployments.filter((deployment) => hasFallback(snapshot, deployment)).length;
    const { name, provider, keyFrom, unmetered } = account;
    return { account: name, provider: provider.id, keyFrom, models: deployments.length, withFallback, unmetered };
  });
}

function hasFallback(snapshot: Snapshot, deployment: Deployment): boolean {
  const resolution = snapshot.directory.resolve(deployment.id);
  return resolution.kind === "route" && resolution.route.candidates.some((candidate) => candidate.deployment.account !== deployment.account);
}

/**
 * The start-up text. `baseUrl` is where the gateway listens, with or without `/v1`. Holds no secret: keys are named, not shown.
 */
export function startTable(snapshot: Snapshot, providers: ReadonlyMap<string, ProviderFacts>, baseUrl: string, managedKeys = 0): string {
  const parts = [snapshot.config.simulated ? simulatedText(providers) : foundText(snapshot), sdkText(snapshot, `${baseUrl.replace(/\/+(?:v1\/*)?$/, "")}/v1`, managedKeys)];
  return parts.join("\n");
}

function foundText(snapshot: Snapshot): string {
  const accounts = new Map(snapshot.config.accounts.map((account) => [account.name, account]));
  const rows = discoveredProviders(snapshot).map((found) => [
    found.account,
    keyText(accounts.get(found.account), found),
    `${found.models} ${found.models === 1 ? "model" : "models"}`,
    `${found.withFallback} with a fallback`,
    found.unmetered ? "unmetered: cost recorded as unknown unless a price is given" : "",
  ]);
  if (rows.length === 0) return "No provider is configured: nothing can be called.\n";
  return `Providers\n${table(rows)}`;
}

function keyText(account: Account | undefined, found: DiscoveredProvider): string {
  if (found.keyFrom !== null) return `by ${found.keyFrom}`;
  if (account?.credential !== undefined) return "by its own credential";
  return account?.apiKey ? "key in the configuration" : "without key";
}

function simulatedText(providers: ReadonlyMap<string, ProviderFacts>): string {
  const variables = [...providers.values()].filter((provider) => provider.dialect !== null && provider.baseUrl !== null).flatMap((provider) => provider.env[0] ?? []);
  return `No provider key was found, so simulated providers answer, and every answer says so.\nFor real answers set one of: ${variables.join(", ")}\n`;
}

function sdkText(snapshot: Snapshot, baseUrl: string, managedKeys: number): string {
  const { keys } = snapshot.config;
  const [first] = keys;
  const apiKey = first === undefined ? (managedKeys > 0 ? "<a key of this gateway>" : "spillway") : first.name === "environment" ? `<the value of ${CALLER_KEY_VARIABLE}>` : `<the key named ${first.name}>`;
  const note =
    first === undefined && managedKeys > 0
      ? `Callers need a key: ${managedKeys} ${managedKeys === 1 ? "is" : "are"} managed here (spillway keys list; spillway keys create makes another).`
      : first === undefined
      ? "No caller key is configured: only this machine may call, and any text will do as api_key."
      : `Callers need ${keys.length === 1 ? "the key" : "one of the keys"} named ${keys.map((key) => key.name).join(", ")}.`;
  const blocks = sdkLines(baseUrl, apiKey, exampleModel(snapshot)).map(({ title, lines }) => `  ${title}\n${lines.map((line) => `    ${line}\n`).join("")}`);
  return `Paste into your program\n${blocks.join("")}${note}\n`;
}

/** A name to begin with: the first route, else the cheapest current chat model of the first account that has one. */
function exampleModel(snapshot: Snapshot): string {
  const [route] = snapshot.config.routes;
  if (route !== undefined) return route.name;
  for (const account of snapshot.config.accounts) {
    const own = [...snapshot.deployments.values()].filter((deployment) => deployment.account === account.name);
    const chat = own.filter(({ model }) => model === null || (model.type === "chat" && model.status === "active" && !model.output.includes("audio")));
    const [cheapest] = chat.toSorted((a, b) => outputPrice(a) - outputPrice(b));
    if (cheapest !== undefined) return cheapest.id;
  }
  return snapshot.directory.callable()[0]?.id ?? "<model>";
}

function outputPrice(deployment: Deployment): number {
  const price = deployment.pricing.kind === "sheet" ? deployment.pricing.sheet.base.output : undefined;
  return price === undefined || price === 0 ? Number.MAX_SAFE_INTEGER : price;
}
