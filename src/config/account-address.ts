/** Where an account is called: its own `base_url`, the provider's address, or a template filled from the account. */
import type { ProviderFacts } from "../wire/facts.ts";
import type { AccountContext } from "./account-settings.ts";
import { settingOf } from "./account-settings.ts";
import { asText } from "./raw.ts";
import { isPrivateUrl, readBaseUrl } from "./values.ts";

export interface Address {
  /** Without a trailing slash. */
  readonly url: string;
  /** Where the address itself keeps processing; null where it promises nothing. */
  readonly region: string | null;
}

/** Spans the world: no promise. */
const ANYWHERE = "global";

/** The address; null if something is wrong with it, which is then reported. */
export function readAddress(provider: ProviderFacts, context: AccountContext): Address | null {
  const { map, path, found } = context;
  const text = asText(map["base_url"]);
  const where = [...path, "base_url"];
  if (text === null) {
    if (Object.hasOwn(map, "base_url")) return null;
    if (provider.address !== undefined) return fromTemplate(provider.address, context);
    if (provider.baseUrl !== null) return { url: providersOwn(provider, provider.baseUrl, context), region: null };
    found.push({ path: where, expected: "an http or https URL", found: "nothing", hint: 'add base_url: "http://127.0.0.1:8000/v1"', at: "key" });
    return null;
  }
  if (text === "") return null; // The schema or the missing reference is reported already.
  const read = readBaseUrl(text);
  if ("wrong" in read) {
    found.push({ path: where, expected: "an http or https URL without credentials, query or fragment", found: read.wrong, hint: "" });
    return null;
  }
  if (!isPrivateUrl(read.url)) warnOfPublic(provider, read.url, context);
  return { url: read.url, region: null };
}

function warnOfPublic(provider: ProviderFacts, url: string, { map, path, warnings }: AccountContext): void {
  const where = [...path, "base_url"];
  if (url.startsWith("http:")) warnings.push({ path: where, expected: "https", found: "an unencrypted public address", hint: "keys and prompts can be read on the way" });
  const known = Object.values(provider.endpoints ?? {}).includes(url);
  if (provider.baseUrl !== null && url !== provider.baseUrl && !Object.hasOwn(map, "region")) {
    const region = known ? Object.entries(provider.endpoints ?? {}).find(([, endpoint]) => endpoint === url)?.[0] : undefined;
    const hint = region === undefined ? "add region: eu (or us, …), so that automatic fallbacks stay within it" : `add region: ${region}, so that automatic fallbacks stay within it`;
    warnings.push({ path: where, expected: "a region beside an address of one's own", found: "no region", hint });
  }
}

/** A region beside the provider's usual address promises what that address may not keep. */
function providersOwn(provider: ProviderFacts, baseUrl: string, { map, path, warnings }: AccountContext): string {
  const region = asText(map["region"]);
  const endpoint = region === null ? undefined : provider.endpoints?.[region];
  if (endpoint !== undefined && endpoint !== baseUrl) {
    warnings.push({ path: [...path, "region"], expected: `the address that processes in ${region}`, found: "the provider's usual address", hint: `add base_url: "${endpoint}"` });
  }
  return baseUrl;
}

function fromTemplate(address: NonNullable<ProviderFacts["address"]>, context: AccountContext): Address | null {
  let { template } = address;
  let region: string | null = null;
  const values = new Map<string, string>();
  for (const [key, facts] of Object.entries(address.settings)) {
    const value = settingOf(key, facts, context);
    if (value === null) continue;
    values.set(key, value);
    template = address.exceptions[`${key}=${value}`] ?? template;
    if (facts.isRegion === true && value !== ANYWHERE) region = value;
  }
  if (values.size < Object.keys(address.settings).length) return null;
  return { url: template.replace(/\{(\w+)\}/g, (_part, key: string) => values.get(key) ?? ""), region };
}
