/** Names and ids that must fit another party's rules: deterministic, so that both sides of a pair always agree. */

/**
 * What every documented version of the API takes: a letter or underscore first, then letters, digits, `_.:-`.
 * The length is given as 64 in some descriptions and 128 in others; 64 is right for both.
 */
const TOOL_NAME = /^[A-Za-z_][A-Za-z0-9_.:-]{0,63}$/;
const MINTED_PREFIX = "call_gem_";

/** Tool names as the API takes them; remembers the changed ones so that the answer can be mapped back. */
export interface ToolNames {
  /** The name to send for the client's `name`; conforming names are untouched. */
  toUpstream(name: string): string;
  /** upstream → client, only the changed ones; undefined where none was changed. */
  renames(): Readonly<Record<string, string>> | undefined;
}

/** A fresh translation for one request. */
export function toolNames(): ToolNames {
  const changed = new Map<string, string>();
  return {
    toUpstream(name) {
      if (TOOL_NAME.test(name)) return name;
      const cleaned = name.replace(/[^A-Za-z0-9_.:-]/g, "_");
      const started = /^[A-Za-z_]/.test(cleaned) ? cleaned : `_${cleaned}`;
      // The hash is of the whole original name, so two names that clean up alike stay apart.
      const upstream = `${started.slice(0, 55)}_${hash(name)}`;
      changed.set(upstream, name);
      return upstream;
    },
    renames: () => (changed.size === 0 ? undefined : Object.fromEntries(changed)),
  };
}

/** An id for a call that came without one: the same for the same response, choice and position. */
export function mintCallId(responseKey: string, choice: number, index: number): string {
  const safe = /^[A-Za-z0-9_-]{1,40}$/.test(responseKey) ? responseKey : hash(responseKey);
  return `${MINTED_PREFIX}${safe}_${choice === 0 ? "" : `${choice}_`}${index}`;
}

/** True for ids that `mintCallId` made: the model never saw them, so they are not sent back to it. */
export function isMintedCallId(id: string): boolean {
  return id.startsWith(MINTED_PREFIX);
}

/** FNV-1a over UTF-16 code units: 8 hex digits, for naming and never for security. */
export function hash(text: string): string {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    value ^= text.charCodeAt(i);
    value = Math.imul(value, 0x01000193);
  }
  return (value >>> 0).toString(16).padStart(8, "0");
}
