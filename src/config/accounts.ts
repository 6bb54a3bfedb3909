/** The `providers` section: each entry is an account. */
import type { DataUse } from "../decide/deployment.ts";
import { readPriceTerms } from "../decide/price-terms.ts";
import { CAPABILITIES, type Capability, type ToldCapabilities } from "../wire/capability.ts";
import type { PriceSheet, ProviderFacts } from "../wire/facts.ts";
import { readAddress } from "./account-address.ts";
import { readCredential, refuseForeignKeys } from "./account-credential.ts";
import type { AccountContext, ReadCredential } from "./account-settings.ts";
import type { ConfigDocument, Finding, Path, ReadEnvironment } from "./document.ts";
import { asFlag, asMap, asNumeric, asText, type Raw } from "./raw.ts";
import { hintNearest } from "./report.ts";
import { Secret } from "./secret.ts";
import type { Account, ModelOverride } from "./types.ts";
import { isPrivateUrl, ownSheet } from "./values.ts";

export interface AccountsContext {
  readonly document: ConfigDocument;
  /** Standard variables and files, for providers that the file names. */
  readonly environment: ReadEnvironment;
  readonly providers: ReadonlyMap<string, ProviderFacts>;
  readonly found: Finding[];
  readonly warnings: Finding[];
}

/** Accounts in file order. Those with something wrong are left out and reported. */
export function readAccounts(section: Raw, context: AccountsContext): Account[] {
  return Object.entries(section).flatMap(([name, entry]) => readAccount(name, asMap(entry), context) ?? []);
}

function readAccount(name: string, map: Raw, context: AccountsContext): Account | null {
  const path = ["providers", name];
  const { found } = context;
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name)) {
    found.push({ path, expected: "an account name of letters, digits, . _ - (at most 64)", found: JSON.stringify(name), hint: "", at: "key" });
  }
  const provider = readApi(readType(name, map, path, context), map, path, found);
  // Facts of single models are checked even where the provider is not known, so that all errors show at once.
  const models = readModels(asMap(map["models"]), [...path, "models"], found);
  if (provider === null) return null;
  const account: AccountContext = { map, path, provider, environment: context.environment, found, warnings: context.warnings };
  refuseForeignKeys(account);
  const address = readAddress(provider, account);
  const isPrivate = address !== null && isPrivateUrl(address.url);
  // Something wrong with the address is no reason to keep silent about the credential.
  const credential = readCredential(account, mayLackKey(provider, isPrivate));
  const deployments = readDeployments(asMap(map["deployments"]), [...path, "deployments"], found);
  if (address === null) return null;
  const domain = asMap(map["domain"]);
  const [edge, cloud] = [asText(domain["edge"]), asText(domain["cloud"])];
  const configuredDomain = { ...(edge === null ? {} : { edge }), ...(cloud === null ? {} : { cloud }) };
  return {
    name,
    provider,
    baseUrl: address.url,
    ...proofOf(credential, context.document.substituted([...path, "api_key"])?.variable ?? null),
    region: asText(map["region"]) ?? address.region,
    domain: configuredDomain,
    ...readData(asMap(map["data"])),
    proxyUrl: readProxy(map, path, found),
    caFile: asText(map["ca_file"]),
    unmetered: asFlag(map["unmetered"]) ?? (provider.unmetered || isPrivate),
    models,
    ...(deployments.size === 0 ? {} : { deployments }),
  };
}

function mayLackKey(provider: ProviderFacts, isPrivate: boolean): boolean {
  const anyAddress = provider.baseUrl === null && provider.address === undefined;
  return provider.auth.kind === "none" || provider.unmetered || anyAddress || isPrivate;
}

function proofOf(read: ReadCredential, variable: string | null): Pick<Account, "apiKey" | "keyFrom" | "credential"> {
  if (read.kind === "credential") return { apiKey: null, keyFrom: null, credential: read.credential };
  if (read.kind === "none" || read.apiKey === null) return { apiKey: null, keyFrom: null };
  return { apiKey: new Secret(read.apiKey), keyFrom: read.variable ?? variable };
}

function readData(map: Raw): { readonly data?: DataUse } {
  const [trains, retains] = [asFlag(map["trains"]), asFlag(map["retains"])];
  if (trains === null && retains === null) return {};
  return { data: { ...(trains === null ? {} : { trains }), ...(retains === null ? {} : { retains }) } };
}

function readDeployments(section: Raw, path: Path, found: Finding[]): ReadonlyMap<string, string> {
  const deployments = new Map<string, string>();
  for (const [name, value] of Object.entries(section)) {
    const model = asText(value);
    if (model === null || model === "") continue; // The schema says so.
    if (!/^[A-Za-z0-9][A-Za-z0-9._:/-]{0,255}$/.test(name)) found.push({ path: [...path, name], expected: "a deployment's name of letters, digits, . _ : / -", found: JSON.stringify(name), hint: "", at: "key" });
    deployments.set(name, model);
  }
  return deployments;
}

function readType(name: string, map: Raw, path: Path, context: AccountsContext): ProviderFacts | null {
  const type = asText(map["type"]);
  if (type === null && Object.hasOwn(map, "type")) return null;
  const wanted = type ?? name;
  const provider = context.providers.get(wanted);
  const where: Path = type === null ? path : [...path, "type"];
  const at = type === null ? "key" : "value";
  if (provider === undefined) {
    const near = hintNearest(wanted, context.providers.keys());
    const types = `known types: ${[...context.providers.keys()].join(", ")}`;
    const hint = near !== "" && type === null ? `${near} Under a name of your own, add type: …` : near || types;
    context.found.push({ path: where, expected: "a known provider type", found: JSON.stringify(wanted), hint, at });
    return null;
  }
  if (provider.dialect === null) {
    const hint = "take it out until a later version can call it";
    context.found.push({ path: where, expected: "a provider that this version can call", found: `${JSON.stringify(wanted)}, whose protocol is not spoken yet`, hint, at });
    return null;
  }
  return provider;
}

/** The provider as this account calls it: hosts of chat completions may serve responses as well, at the same address. */
function readApi(provider: ProviderFacts | null, map: Raw, path: Path, found: Finding[]): ProviderFacts | null {
  if (provider === null || !Object.hasOwn(map, "api")) return provider;
  if (provider.dialect === "openai-chat") return map["api"] === "responses" ? { ...provider, dialect: "openai-responses" } : provider;
  found.push({ path: [...path, "api"], expected: `a setting of ${provider.name}`, found: "api, which it does not have", hint: "it speaks one protocol only", at: "key" });
  return null;
}

function readProxy(map: Raw, path: Path, found: Finding[]): string | null {
  const text = asText(map["proxy"]);
  if (text === null || text === "") return null;
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return text;
  found.push({ path: [...path, "proxy"], expected: "an http or https URL", found: "something else", hint: "" });
  return null;
}

function readModels(section: Raw, path: Path, found: Finding[]): ReadonlyMap<string, ModelOverride> {
  const models = new Map<string, ModelOverride>();
  for (const [name, entry] of Object.entries(section)) {
    const map = asMap(entry);
    const where = [...path, name];
    const price = Object.hasOwn(map, "price") ? readPrice(asMap(map["price"]), [...where, "price"], found) : null;
    const unmetered = asFlag(map["unmetered"]) ?? false;
    if (unmetered && Object.hasOwn(map, "price")) found.push({ path: [...where, "unmetered"], expected: "either price or unmetered", found: "both", hint: "", at: "key" });
    const contextWindow = readTokens(map, "context", where, found);
    const maxOutput = readTokens(map, "max_output", where, found);
    const capabilities = readCapabilities(asMap(map["capabilities"]), [...where, "capabilities"], found);
    models.set(name, { price: null, ...price, unmetered, contextWindow, maxOutput, ...(capabilities === null ? {} : { capabilities }) });
  }
  return models;
}

/** The schema knows the names; `vision` is another word for one of them. */
function readCapabilities(map: Raw, path: Path, found: Finding[]): ToldCapabilities | null {
  const told: { [C in Capability]?: boolean } = {};
  for (const name of CAPABILITIES) {
    const can = asFlag(map[name]);
    if (can !== null) told[name] = can;
  }
  const vision = asFlag(map["vision"]);
  if (vision !== null && told.image_in !== undefined) found.push({ path: [...path, "vision"], expected: "either vision or image_in", found: "both", hint: "they are the same", at: "key" });
  if (vision !== null) told.image_in = vision;
  return Object.keys(told).length === 0 ? null : told;
}

function readPrice(map: Raw, path: Path, found: Finding[]): { readonly price: PriceSheet; readonly priceFromMs?: number } | null {
  const { sheet, fromMs, problems } = readPriceTerms(map);
  for (const problem of problems) found.push({ ...problem, path: [...path, ...problem.path] });
  return sheet === null || problems.length > 0 ? null : { price: ownSheet(sheet), ...(fromMs === null ? {} : { priceFromMs: fromMs }) };
}

function readTokens(map: Raw, key: string, path: Path, found: Finding[]): number | null {
  if (!Object.hasOwn(map, key)) return null;
  const value = asNumeric(map[key]);
  if (value === null) return null; // The schema says so.
  if (Number.isSafeInteger(value) && value > 0) return value;
  found.push({ path: [...path, key], expected: "a whole number of tokens above 0", found: String(value), hint: "" });
  return null;
}
