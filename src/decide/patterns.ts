/** Names with `*` in them, as owners write them for aliases and for what a key may use. */

/** `*` matches any run of characters; everything else is itself. Linear in the name's length, whatever the pattern. */
export function matcher(pattern: string): (name: string) => boolean {
  const parts = pattern.split("*");
  const head = parts[0] ?? "";
  const end = parts.at(-1) ?? "";
  return (name) => {
    if (name.length < head.length + end.length || !name.startsWith(head) || !name.endsWith(end)) return false;
    let from = head.length;
    for (const part of parts.slice(1, -1)) {
      const at = name.indexOf(part, from);
      if (at === -1) return false;
      from = at + part.length;
    }
    return from <= name.length - end.length;
  };
}
