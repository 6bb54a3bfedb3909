/**
 * Where the parts of a form stand, so that one value can be changed and everything else passes byte for byte. Strict in
 * what two readers might see differently: a part whose name cannot be read, or a name twice that is read, is no form.
 */

export interface FormPart {
  readonly name: string;
  /** Absent: a plain field. */
  readonly filename: string | undefined;
  readonly valueStart: number;
  /** One past the last byte of the value. */
  readonly valueEnd: number;
}
export type FormScan =
  | { readonly kind: "form"; readonly parts: readonly FormPart[]; readonly boundary: string; /** Where the first part's boundary begins. */ readonly open: number }
  | { readonly kind: "broken"; readonly message: string };

/** Parts of one form: files, and some twenty fields. */
export const PARTS_MAX = 1_000;
const HEADER_BYTES_MAX = 16 << 10;
const CR = 13;
const latin1 = new TextDecoder("latin1");
const utf8 = new TextDecoder("utf-8", { fatal: true });

/** The boundary that a content type names; undefined where it names none that may stand in a body. */
export function boundaryOf(contentType: string): string | undefined {
  const found = /;\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))(?=\s*(?:;|$))/i.exec(contentType);
  const boundary = found?.[1] ?? found?.[2];
  return boundary !== undefined && /^[\x20-\x7e]*[\x21-\x7e]$/.test(boundary) ? boundary : undefined;
}

/** Find the parts of a body. */
export function scanForm(bytes: Uint8Array, boundary: string): FormScan {
  const delimiter = ascii(`--${boundary}`);
  const broken = (message: string): FormScan => ({ kind: "broken", message });
  let at = startsAt(bytes, delimiter, 0) ? 0 : nextDelimiter(bytes, delimiter, 0) + 2;
  if (at < 2 && !startsAt(bytes, delimiter, 0)) return broken("The body holds no part of the boundary that its content type names.");
  const open = at;
  const parts: FormPart[] = [];
  for (;;) {
    at += delimiter.length;
    if (bytes[at] === 45 && bytes[at + 1] === 45) return { kind: "form", parts, boundary, open };
    at = lineEnd(bytes, at);
    if (at < 0) return broken("A boundary of the form is followed by something else than a line's end.");
    if (parts.length >= PARTS_MAX) return broken(`The form has more than ${PARTS_MAX} parts.`);
    const head = headerEnd(bytes, at);
    if (head < 0) return broken("The headers of a part do not end, or are larger than 16 KiB.");
    const named = nameOf(bytes.subarray(at, head));
    if (named === null) return broken("A part of the form has no readable name in its Content-Disposition.");
    const valueStart = head + 2;
    // An empty value may share its line end with the boundary that follows.
    const end = nextDelimiter(bytes, delimiter, head);
    if (end < 0) return broken("The form ends without its closing boundary.");
    parts.push({ ...named, valueStart, valueEnd: Math.max(end, valueStart) });
    at = end + 2;
  }
}

/** The text of a plain field; null where it is not UTF-8. */
export function fieldText(bytes: Uint8Array, part: FormPart): string | null {
  try {
    return utf8.decode(bytes.subarray(part.valueStart, part.valueEnd));
  } catch {
    // Bytes that are no text are nobody's name of a model.
    return null;
  }
}

/** A plain field as a part, to be put where a form opens. */
export function partText(boundary: string, name: string, value: string): string {
  return `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
}

function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

function startsAt(bytes: Uint8Array, what: Uint8Array, at: number): boolean {
  for (let i = 0; i < what.length; i++) if (bytes[at + i] !== what[i]) return false;
  return true;
}

/** Index of the line end before the next boundary, or -1. */
function nextDelimiter(bytes: Uint8Array, delimiter: Uint8Array, from: number): number {
  for (let at = bytes.indexOf(CR, from); at >= 0; at = bytes.indexOf(CR, at + 1)) {
    if (bytes[at + 1] === 10 && startsAt(bytes, delimiter, at + 2)) return at;
  }
  return -1;
}

/** One past the line end behind a boundary (blanks may stand before it), or -1. */
function lineEnd(bytes: Uint8Array, from: number): number {
  let at = from;
  while (bytes[at] === 32 || bytes[at] === 9) at++;
  return bytes[at] === CR && bytes[at + 1] === 10 ? at + 2 : -1;
}

/** Index of the line end that closes the last header: the empty line follows it. -1: none. */
function headerEnd(bytes: Uint8Array, from: number): number {
  const limit = from + HEADER_BYTES_MAX;
  for (let at = bytes.indexOf(CR, from); at >= 0 && at < limit; at = bytes.indexOf(CR, at + 1)) {
    if (bytes[at + 1] === 10 && bytes[at + 2] === CR && bytes[at + 3] === 10) return at + 2;
  }
  return -1;
}

/** Name and file name of a part's headers; null where they cannot be read for sure. */
function nameOf(header: Uint8Array): { name: string; filename: string | undefined } | null {
  let text;
  try {
    text = utf8.decode(header);
  } catch {
    // File names in an old encoding; the names of fields are ASCII.
    text = latin1.decode(header);
  }
  const lines = text.split("\r\n").filter((line) => /^content-disposition\s*:/i.test(line));
  const [line] = lines;
  if (line === undefined || lines.length > 1) return null;
  const parameters = parametersOf(line.slice(line.indexOf(":") + 1));
  const names = parameters?.filter(([key]) => key === "name") ?? [];
  if (parameters === null || names.length !== 1) return null;
  return { name: names[0]?.[1] ?? "", filename: parameters.find(([key]) => key === "filename" || key === "filename*")?.[1] };
}

/** `form-data; name="a"; filename="b"` → pairs; null where something is left over. */
function parametersOf(value: string): readonly (readonly [string, string])[] | null {
  const kind = /^\s*form-data\s*/i.exec(value);
  if (kind === null) return null;
  const pairs: [string, string][] = [];
  let rest = value.slice(kind[0].length);
  while (rest.trim() !== "") {
    const found = /^;\s*([\w*-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))\s*/.exec(rest);
    if (found === null) return null;
    pairs.push([(found[1] as string).toLowerCase(), found[2]?.replace(/\\(["\\])/g, "$1") ?? found[3] ?? ""]);
    rest = rest.slice(found[0].length);
  }
  return pairs;
}
