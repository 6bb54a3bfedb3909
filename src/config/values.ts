/** The small languages inside configuration values: durations, prices, addresses. */
import { createHash } from "node:crypto";
import { BlockList, isIP } from "node:net";
import type { PriceSheet, UnitPrices } from "../wire/facts.ts";

export { isPerPiece, parsePricePico, PRICED_UNITS } from "../decide/price-text.ts";

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
export const DURATION_PATTERN = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/;

/** `250ms`, `600s`, `5m`, `1h`, `1.5s` → whole ms; null where the text is none of these. */
export function parseDurationMs(text: string): number | null {
  const match = DURATION_PATTERN.exec(text.trim());
  const scale = UNIT_MS[match?.[2] ?? ""];
  if (match === null || scale === undefined) return null;
  const valueMs = Math.round(Number(match[1]) * scale);
  return Number.isSafeInteger(valueMs) ? valueMs : null;
}

/**
 * A sheet of the owner's own prices. Its version is a digest of the numbers, so it changes exactly when they do. A zero
 * that the owner wrote is meant.
 */
export function ownPriceSheet(base: UnitPrices): PriceSheet {
  const free = Object.values(base).includes(0);
  return ownSheet({ base, contextSteps: [], windows: [], scheduled: [], tiers: {}, geoPermille: {}, ...(free ? { free } : {}) });
}

/** The same for a list with conditions. */
export function ownSheet(sheet: Omit<PriceSheet, "version">): PriceSheet {
  const digest = createHash("sha256").update(JSON.stringify(sheet, sorted)).digest("hex").slice(0, 12);
  return { version: `config:${digest}`, ...sheet };
}

/** Keys in order, so that the same list has the same text however it was written. */
function sorted(_key: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** SHA-256 of a caller key, base64url: all that is kept of it. */
export function keyDigest(key: string): string {
  return createHash("sha256").update(key, "utf8").digest("base64url");
}

const PRIVATE = new BlockList();
for (const [network, bits] of [["10.0.0.0", 8], ["100.64.0.0", 10], ["127.0.0.0", 8], ["169.254.0.0", 16], ["172.16.0.0", 12], ["192.168.0.0", 16]] as const) {
  PRIVATE.addSubnet(network, bits, "ipv4");
}
for (const [network, bits] of [["::1", 128], ["fc00::", 7], ["fe80::", 10]] as const) PRIVATE.addSubnet(network, bits, "ipv6");
const PRIVATE_SUFFIX = /\.(localhost|local|internal|lan|home\.arpa|svc|cluster\.local|test)$/;

/** Does this URL lead to one's own machine or network: loopback, private ranges, names without a public domain? */
export function isPrivateUrl(url: string): boolean {
  const host = new URL(url).hostname.toLowerCase().replace(/^\[|\]$/g, "").replace(/\.$/, "");
  const version = isIP(host);
  if (version !== 0) return PRIVATE.check(host, version === 4 ? "ipv4" : "ipv6");
  return !host.includes(".") || PRIVATE_SUFFIX.test(host);
}

/**
 * An upstream's address without trailing slash, or what is wrong with it. Credentials, query and fragment have no place
 * in it: they would end up in logs.
 */
export function readBaseUrl(text: string): { readonly url: string } | { readonly wrong: string } {
  if (!URL.canParse(text)) return { wrong: "not a URL" };
  const url = new URL(text);
  if (url.protocol !== "http:" && url.protocol !== "https:") return { wrong: `a ${url.protocol} URL` };
  if (url.username !== "" || url.password !== "") return { wrong: "a URL with credentials in it" };
  if (url.search !== "" || url.hash !== "") return { wrong: "a URL with a query or fragment" };
  return { url: `${url.origin}${url.pathname}`.replace(/\/+$/, "") };
}
