/** Ways in which a stream comes to harm: bytes flipped, lost, doubled, moved; values of another type; events out of order. */
import fc from "fast-check";

export type Damage = (text: string) => string;

const AWKWARD = ["null", "{}", "[]", `"`, "\\", "\r", "\n\n", "data:", "data: [DONE]\n\n", "event: error\n", ": note\n", "\u0000", "\ufeff", "1e400", "-0", `{"error":{"message":"x"}}`, `"__proto__":`, "}", "]", "\ud800", "data: {\n\n"];

/** Somewhere in a text of any length. */
const place = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });
const at = (share: number, text: string): number => Math.floor(share * text.length);

const lost = fc.tuple(place, fc.integer({ min: 1, max: 80 })).map(([from, length]): Damage => (text) => text.slice(0, at(from, text)) + text.slice(at(from, text) + length));
const doubled = fc.tuple(place, fc.integer({ min: 1, max: 300 })).map(([from, length]): Damage => (text) => text.slice(0, at(from, text) + length) + text.slice(at(from, text)));
const put = fc.tuple(place, fc.oneof(fc.constantFrom(...AWKWARD), fc.string({ maxLength: 8 }))).map(([where, what]): Damage => (text) => text.slice(0, at(where, text)) + what + text.slice(at(where, text)));
const cut = place.map((end): Damage => (text) => text.slice(0, at(end, text)));
const events = fc.tuple(place, place, fc.constantFrom("swap", "drop", "double")).map(([a, b, what]): Damage => (text) => {
  const list = text.split(/(?<=\n\r?\n)/);
  const [i, j] = [Math.floor(a * list.length), Math.floor(b * list.length)];
  const [one, other] = [list[i] ?? "", list[j] ?? ""];
  if (what === "swap") [list[i], list[j]] = [other, one];
  else if (what === "drop") list.splice(i, 1);
  else list.splice(j, 0, one);
  return list.join("");
});
/** A value anywhere in an event becomes another one. */
const replaced = fc.tuple(place, place, fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constantFrom<unknown>(-1, 1e308, 0.5, "", "NaN", "error", "length", true, null, [], {}))).map(([event, where, value]): Damage => (text) => {
  const list = text.split(/(?<=\n\r?\n)/);
  const i = Math.floor(event * list.length);
  list[i] = (list[i] ?? "").replace(/\{.*\}/s, (json) => {
    const values = [...json.matchAll(/(?<=:\s*)(?:"(?:[^"\\]|\\.)*"|-?\d[\d.e+-]*|true|false|null)/g)];
    const hit = values[Math.floor(where * values.length)];
    return hit === undefined ? json : json.slice(0, hit.index) + JSON.stringify(value) + json.slice(hit.index + hit[0].length);
  });
  return list.join("");
});
/** A key anywhere becomes another one. */
const renamed = fc.tuple(place, fc.constantFrom("__proto__", "constructor", "x", "error", "usage", "type", "index", "choices", "delta", "content", "text", "finish_reason", "toString")).map(([where, name]): Damage => (text) => {
  const keys = [...text.matchAll(/"[\w]+"(?=\s*:)/g)];
  const hit = keys[Math.floor(where * keys.length)];
  return hit === undefined ? text : text.slice(0, hit.index) + JSON.stringify(name) + text.slice(hit.index + hit[0].length);
});

/** Up to four kinds of damage, one after the other; none at all now and then. */
export const damages: fc.Arbitrary<Damage> = fc.array(fc.oneof(lost, doubled, put, cut, events, replaced, renamed), { maxLength: 4 }).map((list): Damage => (text) => list.reduce((now, damage) => damage(now), text));

/** How a text's bytes arrive: all at once, byte by byte at times, or in pieces. */
export const splits: fc.Arbitrary<(bytes: Uint8Array) => readonly Uint8Array[]> = fc
  .oneof(fc.constant([1_000_000]), fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 20 }), fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 5 }))
  .map((sizes) => (bytes: Uint8Array) => {
    const pieces: Uint8Array[] = [];
    for (let from = 0, i = 0; from < bytes.length; i++) {
      const size = sizes[i % sizes.length] ?? 1;
      // A copy, as a socket's next read may use the same memory for something else.
      pieces.push(bytes.slice(from, from + size));
      from += size;
    }
    return pieces;
  });
