/** Tags in a request's headers. */
import type { IncomingHttpHeaders } from "node:http";

const PREFIX = "x-spillway-tag-";

/** By name without the prefix, as they came; undefined without any. */
export function tagHeaders(headers: IncomingHttpHeaders): Readonly<Record<string, string>> | undefined {
  let found: Record<string, string> | undefined;
  for (const name in headers) {
    if (!name.startsWith(PREFIX)) continue;
    const value = headers[name];
    found ??= {};
    found[name.slice(PREFIX.length)] = Array.isArray(value) ? value.join(", ") : (value ?? "");
  }
  return found;
}
