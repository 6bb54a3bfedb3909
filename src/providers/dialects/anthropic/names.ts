/**
 * Names and ids that the Messages API takes. What already fits passes untouched; the rest becomes a cleaned prefix and
 * a hash, so that the same name gives the same result in every turn, on both sides of a call and its result.
 */

const TOOL_NAME_MAX = 128;
const ID_PREFIX_MAX = 48;
const FITS = /^[a-zA-Z0-9_-]+$/;

/** Id of a tool call, `^[a-zA-Z0-9_-]+$`. */
export function upstreamCallId(id: string): string {
  return FITS.test(id) ? id : `${cleaned(id).slice(0, ID_PREFIX_MAX)}_${hash(id)}`;
}

/** Name of a tool, `^[a-zA-Z0-9_-]{1,128}$`. */
export function upstreamToolName(name: string): string {
  if (name.length <= TOOL_NAME_MAX && FITS.test(name)) return name;
  const tail = `_${hash(name)}`;
  return cleaned(name).slice(0, TOOL_NAME_MAX - tail.length) + tail;
}

/** Tool names that had to change: upstream → client. A null prototype, since clients choose the names. */
export function renamesOf(names: Iterable<string>): Readonly<Record<string, string>> {
  const renames = Object.create(null) as Record<string, string>;
  for (const name of names) {
    const upstream = upstreamToolName(name);
    if (upstream !== name) renames[upstream] = name;
  }
  return renames;
}

function cleaned(text: string): string {
  return text.replace(/[^a-zA-Z0-9_-]/g, "_");
}

/** 53 bits over the UTF-16 units, base 36: enough to keep a request's names apart, no defence against anyone. */
function hash(text: string): string {
  let high = 0xdeadbeef;
  let low = 0x41c6ce57;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    high = Math.imul(high ^ unit, 2654435761);
    low = Math.imul(low ^ unit, 1597334677);
  }
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909);
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909);
  return (4294967296 * (2097151 & low) + (high >>> 0)).toString(36);
}
