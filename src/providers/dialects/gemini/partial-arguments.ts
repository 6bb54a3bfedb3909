/**
 * Arguments that arrive in pieces (`partialArgs: [{jsonPath, stringValue|numberValue|boolValue|nullValue, willContinue}]`):
 * put together into one object. Everything from the wire is bounded here: depth, gaps in arrays, keys.
 */
import { asString, member, type Json, type JsonObject } from "../../../wire/json.ts";

const MAX_DEPTH = 64;
/** Elements may come out of order, but a path cannot make us fill an array with millions of holes. */
const MAX_GAP = 16;

/** Objects are maps, so that no key (`__proto__`) means anything to the language. */
type Node = Json | Map<string, Node> | Node[];

export interface PartialArguments {
  /** Apply one element of `partialArgs`. False: it cannot be applied, the call is broken. */
  apply(piece: Json): boolean;
  /** Take members of a whole `args` object that came beside pieces. */
  merge(args: JsonObject): void;
  /** What was put together so far, as JSON text. */
  toJson(): string;
}

/** An empty argument object to be filled. */
export function partialArguments(): PartialArguments {
  const root = new Map<string, Node>();
  /** Path of the string that the next piece continues; at most one string is open at a time. */
  let openPath: string | undefined;
  return {
    apply(piece) {
      const path = asString(member(piece, "jsonPath"));
      const steps = path === undefined ? undefined : parsePath(path);
      if (path === undefined || steps === undefined) return false;
      const value = readValue(piece);
      const continues = openPath === path;
      openPath = member(piece, "willContinue") === true ? path : undefined;
      // A piece without a value only says whether the string goes on.
      if (value === undefined) return true;
      return assign(root, steps, value, continues);
    },
    merge(args) {
      for (const [key, value] of Object.entries(args)) if (value !== undefined) root.set(key, value);
    },
    toJson: () => stringify(root),
  };
}

/** `$.a[0]['b c'].d` → ["a", 0, "b c", "d"]; undefined where it is not such a path or leads to the root. */
export function parsePath(path: string): readonly (string | number)[] | undefined {
  if (!path.startsWith("$")) return undefined;
  const step = /\.([^.[\]]+)|\[(\d{1,9})\]|\['((?:[^'\\]|\\.)*)'\]|\["((?:[^"\\]|\\.)*)"\]/y;
  step.lastIndex = 1;
  const steps: (string | number)[] = [];
  while (step.lastIndex < path.length) {
    const match = step.exec(path);
    if (match === null || steps.length === MAX_DEPTH) return undefined;
    if (match[1] !== undefined) steps.push(match[1]);
    else if (match[2] !== undefined) steps.push(Number(match[2]));
    else steps.push((match[3] ?? match[4] ?? "").replace(/\\(.)/g, "$1"));
  }
  return steps.length === 0 || typeof steps[0] === "number" ? undefined : steps;
}

function readValue(piece: Json): Json | undefined {
  for (const key of ["stringValue", "numberValue", "boolValue"]) {
    const value = member(piece, key);
    if (value !== undefined) return value;
  }
  return member(piece, "nullValue") === undefined ? undefined : null;
}

function assign(root: Map<string, Node>, steps: readonly (string | number)[], value: Json, continues: boolean): boolean {
  let container: Node = root;
  for (let i = 0; i < steps.length - 1; i++) {
    const step = steps[i] as string | number;
    let next: Node | undefined = read(container, step);
    if (next === undefined || next === null) {
      next = typeof steps[i + 1] === "number" ? [] : new Map<string, Node>();
      if (!write(container, step, next)) return false;
    }
    container = next;
  }
  const last = steps.at(-1) as string | number;
  const before = read(container, last);
  if (continues && typeof before === "string" && typeof value === "string") return write(container, last, before + value);
  return write(container, last, value);
}

function read(container: Node, step: string | number): Node | undefined {
  if (container instanceof Map) return typeof step === "string" ? container.get(step) : undefined;
  return Array.isArray(container) && typeof step === "number" ? (container as Node[])[step] : undefined;
}

function write(container: Node, step: string | number, value: Node): boolean {
  if (container instanceof Map) {
    if (typeof step !== "string") return false;
    container.set(step, value);
    return true;
  }
  if (!Array.isArray(container) || typeof step !== "number" || step > container.length + MAX_GAP) return false;
  const items = container as Node[];
  while (items.length < step) items.push(null);
  items[step] = value;
  return true;
}

function stringify(node: Node): string {
  if (node instanceof Map) {
    return `{${[...node].map(([key, value]) => `${JSON.stringify(key)}:${stringify(value)}`).join(",")}}`;
  }
  if (Array.isArray(node)) return `[${(node as Node[]).map(stringify).join(",")}]`;
  return JSON.stringify(node);
}
