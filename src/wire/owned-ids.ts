/**
 * Ids of what a provider keeps (files, batches), with the account that owns them behind: `file-abc` at the provider is
 * `file-abc@openai` to clients. What we add in answers we take off in requests; nothing else of a body changes.
 */
import { elementsOf } from "./scan-list.ts";
import { scanBody, splice, type Edit } from "./scan.ts";

const decoder = new TextDecoder();

/** Members of files, batches and lists that hold such an id. */
const ID_KEYS: ReadonlySet<string> = new Set(["id", "input_file_id", "output_file_id", "error_file_id", "first_id", "last_id", "file_id"]);

export interface OwnedId {
  readonly id: string;
  /** null: not named, which means the account that is asked anyway. */
  readonly account: string | null;
}

/** `file-abc@openai` → the provider's id and the account. Accounts' names hold no "@". */
export function readOwnedId(text: string): OwnedId {
  const at = text.lastIndexOf("@");
  return at <= 0 || at === text.length - 1 ? { id: text, account: null } : { id: text.slice(0, at), account: text.slice(at + 1) };
}

export function ownedId(id: string, account: string): string {
  return `${id}@${account}`;
}

/**
 * Name the account in the ids of an answer: of the object itself, and of those in its `data`. An address of results becomes
 * what `linkTo` makes of the object's id, so that it never leads a client around us with the key that it has for us.
 */
export function tagIds(bytes: Uint8Array, account: string, linkTo: (id: string) => string | null = () => null): Uint8Array {
  return splice(bytes, editsOf(bytes, 0, bytes.length, { change: (id) => ownedId(id, account), linkTo, deep: true }));
}

/** Take the account off the ids of a request. */
export function untagIds(bytes: Uint8Array): Uint8Array {
  return splice(bytes, editsOf(bytes, 0, bytes.length, { change: (id) => readOwnedId(id).id, linkTo: null, deep: false }));
}

interface Rewriting {
  readonly change: (id: string) => string;
  /** null: addresses stay. */
  readonly linkTo: ((id: string) => string | null) | null;
  readonly deep: boolean;
}

function editsOf(bytes: Uint8Array, start: number, end: number, how: Rewriting): Edit[] {
  const scan = scanBody(bytes.subarray(start, end));
  if (scan.kind !== "object") return [];
  const textAt = (from: number, to: number): string => JSON.parse(decoder.decode(bytes.subarray(start + from, start + to))) as string;
  const own = scan.members.findLast((one) => one.key === "id" && bytes[start + one.valueStart] === 34);
  const edits: Edit[] = [];
  for (const { key, valueStart, valueEnd } of scan.members) {
    const from = start + valueStart;
    if (how.deep && key === "data" && bytes[from] === 91) for (const one of elementsOf(bytes, from)) edits.push(...editsOf(bytes, one.start, one.end, { ...how, deep: false }));
    if (bytes[from] !== 34) continue;
    if (key === "results_url" && how.linkTo !== null) {
      const link = own === undefined ? null : how.linkTo(how.change(textAt(own.valueStart, own.valueEnd)));
      edits.push({ start: from, end: start + valueEnd, text: JSON.stringify(link) });
    }
    if (!ID_KEYS.has(key)) continue;
    const id = textAt(valueStart, valueEnd);
    if (id !== "") edits.push({ start: from, end: start + valueEnd, text: JSON.stringify(how.change(id)) });
  }
  return edits;
}
