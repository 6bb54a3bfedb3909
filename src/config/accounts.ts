/** The `providers` section: each entry is an account. */
import type { ProviderFacts, UnitPrices } from "../wire/facts.ts";
import type { Unit } from "../wire/usage.ts";
import type { ConfigDocument, Finding, Path } from "./document.ts";
import { asFlag, asMap, asNumeric, asText, type Raw } from "./raw.ts";
import { hintNearest } from "./report.ts";
import { Secret } from "./secret.ts";
import type { Account, ModelOverride } from "./types.ts";
import { isPerPiece, isPrivateUrl, ownPriceSheet, parsePricePico, PRICED_UNITS, readBaseUrl } from "./values.ts";

export interface AccountsContext {
  readonly document: ConfigDocument;
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
  const provider = readType(name, map, path, context);
  // Facts of single models are checked even where the provider is not known, so that all errors show at once.
  const models = readModels(asMap(map["models"]), [...path, "models"], found);
  if (provider === null) return null;
  const baseUrl = readAddress(map, provider, path, context);
  if (baseUrl === null) return null;
  const isPrivate = isPrivateUrl(baseUrl);
  const apiKey = readApiKey(map, provider, isPrivate, path, found);
  const domain = asMap(map["domain"]);
  const [edge, cloud] = [asText(domain["edge"]), asText(domain["cloud"])];
  const configuredDomain = { ...(edge === null ? {} : { edge }), ...(cloud === null ? {} : { cloud }) };
  return {
    name,
    provider,
    baseUrl,
    apiKey: apiKey === null ? null : new Secret(apiKey),
    keyFrom: context.document.substituted([...path, "api_key"])?.variable ?? null,
    region: asText(map["region"]),
    domain: configuredDomain,
    proxyUrl: readProxy(map, path, found),
    caFile: asText(map["ca_file"]),
    unmetered: asFlag(map["unmetered"]) ?? (provider.unmetered || isPrivate),
    models,
  };
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

function readAddress(map: Raw, provider: ProviderFacts, path: Path, { found, warnings }: AccountsContext): string | null {
  const text = asText(map["base_url"]);
  const where = [...path, "base_url"];
  if (text === null) {
    if (Object.hasOwn(map, "base_url")) return null;
    if (provider.baseUrl !== null && !provider.baseUrl.includes("{")) return provider.baseUrl;
    const hint = provider.baseUrl === null ? 'add base_url: "http://127.0.0.1:8000/v1"' : `its form is ${provider.baseUrl}`;
    found.push({ path: where, expected: "an http or https URL", found: "nothing", hint, at: "key" });
    return null;
  }
  if (text === "") return null; // The schema or the missing reference is reported already.
  const read = readBaseUrl(text);
  if ("wrong" in read) {
    found.push({ path: where, expected: "an http or https URL without credentials, query or fragment", found: read.wrong, hint: "" });
    return null;
  }
  if (!isPrivateUrl(read.url)) {
    if (read.url.startsWith("http:")) warnings.push({ path: where, expected: "https", found: "an unencrypted public address", hint: "keys and prompts can be read on the way" });
    if (provider.baseUrl !== null && read.url !== provider.baseUrl && !Object.hasOwn(map, "region")) {
      warnings.push({ path: where, expected: "a region beside an address of one's own", found: "no region", hint: "add region: eu (or us, …), so that automatic fallbacks stay within it" });
    }
  }
  return read.url;
}

function readApiKey(map: Raw, provider: ProviderFacts, isPrivate: boolean, path: Path, found: Finding[]): string | null {
  const where = [...path, "api_key"];
  const mayLack = provider.auth.kind === "none" || provider.unmetered || provider.baseUrl === null || isPrivate;
  if (!Object.hasOwn(map, "api_key")) {
    if (provider.auth.kind === "none" || provider.unmetered) return null;
    const variable = provider.env[0] ?? "API_KEY";
    const hint = `add api_key: "\${${variable}}"${mayLack ? ", or api_key: none" : ""}`;
    found.push({ path: where, expected: "a key", found: "nothing", hint, at: "key" });
    return null;
  }
  const text = asText(map["api_key"]);
  if (text === null || text === "") return null; // The schema says so.
  if (text === "none") {
    if (mayLack) return null;
    found.push({ path: where, expected: "a key", found: "none", hint: `${provider.name} answers nobody without a key` });
    return null;
  }
  if (text.trim() !== text || /[^\x21-\x7e]/.test(text)) {
    found.push({ path: where, expected: "a key of visible ASCII characters without spaces", found: "other characters in it", hint: "is there a line break or a quotation mark in the variable?" });
    return null;
  }
  return text;
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
    models.set(name, { price: price === null ? null : ownPriceSheet(price), unmetered, contextWindow, maxOutput });
  }
  return models;
}

function readPrice(map: Raw, path: Path, found: Finding[]): UnitPrices | null {
  const prices: { [U in Unit]?: number } = {};
  for (const unit of PRICED_UNITS) {
    const value = map[unit];
    if (typeof value !== "string" && typeof value !== "number") continue;
    const pico = parsePricePico(value, unit);
    if (pico !== null) prices[unit] = pico;
    else {
      const expected = isPerPiece(unit) ? "USD each, 0 or more, at most 12 decimal places" : "USD per million tokens, 0 or more, at most 6 decimal places";
      found.push({ path: [...path, unit], expected, found: JSON.stringify(String(value)), hint: "" });
    }
  }
  if (!Object.hasOwn(map, "input")) found.push({ path, expected: "at least the price of input", found: "no input", hint: "write price: { input: 0.10, output: 0.20 }", at: "key" });
  return Object.keys(prices).length === 0 ? null : prices;
}

function readTokens(map: Raw, key: string, path: Path, found: Finding[]): number | null {
  if (!Object.hasOwn(map, key)) return null;
  const value = asNumeric(map[key]);
  if (value === null) return null; // The schema says so.
  if (Number.isSafeInteger(value) && value > 0) return value;
  found.push({ path: [...path, key], expected: "a whole number of tokens above 0", found: String(value), hint: "" });
  return null;
}
