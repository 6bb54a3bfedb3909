/**
 * Names of tools, flattened and back. Clients of this dialect group functions in namespaces and have tools whose input is
 * plain text (`custom`); the hub knows functions only. A call must come back under the group and the kind that the client
 * knows it by: agents look a call up by both, and refuse a flat name.
 */
import { asArray, asString, isObject } from "../../../wire/json.ts";
import type { Json, JsonObject } from "../../../wire/json.ts";
import { shortened } from "./client-ids.ts";

/** The namespace that means none: what it holds is known by its own name. */
const DEFAULT_NAMESPACE = "functions";
const NAME_MAX = 64;

export interface ListedTool {
  readonly raw: JsonObject;
  /** Where it stands in the body (`tools[2].tools[0]`). */
  readonly path: string;
  readonly namespace: string | undefined;
}

export interface KnownTool {
  /** The name that the hub and the model see. */
  readonly flat: string;
  readonly name: string;
  readonly namespace: string | undefined;
  readonly custom: boolean;
}

/** Every entry of the request's tool lists, the members of namespaces in place of the namespace. Tolerant. */
export function listedTools(raw: JsonObject): readonly ListedTool[] {
  const listed = [...entriesOf(raw["tools"], "tools")];
  // Tools that a client added in the middle of a conversation, and those that its own search found.
  asArray(raw["input"]).forEach((item, i) => {
    const type = isObject(item) ? item["type"] : undefined;
    if (isObject(item) && (type === "additional_tools" || type === "tool_search_output")) {
      listed.push(...entriesOf(item["tools"], `input[${i}].tools`));
    }
  });
  return listed;
}

function* entriesOf(value: Json | undefined, path: string): Generator<ListedTool> {
  for (const [i, raw] of asArray(value).entries()) {
    if (!isObject(raw)) continue;
    const here = `${path}[${i}]`;
    if (raw["type"] !== "namespace") {
      yield { raw, path: here, namespace: undefined };
      continue;
    }
    const namespace = asString(raw["name"]);
    for (const [j, inner] of asArray(raw["tools"]).entries()) {
      if (isObject(inner)) yield { raw: inner, path: `${here}.tools[${j}]`, namespace };
    }
  }
}

/** The tools of one request by both kinds of name. The same body always gives the same names. */
export class ToolNames {
  readonly #byFlat = new Map<string, KnownTool>();
  readonly #flatByName = new Map<string, string>();

  constructor(tools: readonly ListedTool[]) {
    // A name that stands alone is the client's own word and keeps it; members of namespaces make way.
    for (const tool of tools) if (tool.namespace === undefined) this.#add(tool);
    for (const tool of tools) if (tool.namespace !== undefined) this.#add(tool);
  }

  #add({ raw, namespace }: ListedTool): void {
    const name = asString(raw["name"]);
    const custom = raw["type"] === "custom";
    if (name === undefined || (raw["type"] !== "function" && !custom)) return;
    const key = keyOf(namespace, name);
    // Named twice (a search finds the same tool again): one tool.
    if (this.#flatByName.has(key)) return;
    const wanted = flatName(namespace, name);
    const flat = this.#byFlat.has(wanted) ? shortened(wanted, NAME_MAX, key) : wanted;
    this.#flatByName.set(key, flat);
    this.#byFlat.set(flat, { flat, name, namespace, custom });
  }

  /** The name that the model sees; also for a call in the history whose tool is no longer listed. */
  flat(namespace: string | undefined, name: string): string {
    const known = this.#flatByName.get(keyOf(namespace, name));
    if (known !== undefined) return known;
    const elsewhere = namespace === undefined ? DEFAULT_NAMESPACE : namespace === DEFAULT_NAMESPACE ? undefined : null;
    const alias = elsewhere === null ? undefined : this.#flatByName.get(keyOf(elsewhere, name));
    return alias ?? flatName(namespace, name);
  }

  /** What the client calls the tool that the model called. */
  known(flat: string): KnownTool | undefined {
    return this.#byFlat.get(flat);
  }
}

function keyOf(namespace: string | undefined, name: string): string {
  return JSON.stringify([namespace ?? null, name]);
}

function flatName(namespace: string | undefined, name: string): string {
  if (namespace === undefined || namespace === DEFAULT_NAMESPACE) return name;
  const joined = namespace.endsWith("__") ? namespace + name : `${namespace}__${name}`;
  const clean = joined.replace(/[^a-zA-Z0-9_-]/g, "_");
  return clean === joined && joined.length <= NAME_MAX ? joined : shortened(clean, NAME_MAX, keyOf(namespace, name));
}
