/**
 * `spillway keys|teams|members|budgets|…`: list and show what the store holds, create, change and delete through the running
 * gateway. Generic over the kinds of objects, so that every kind has the same verbs and a flag for each of its fields.
 */
import { z } from "zod";
import { objectJson } from "../admin/objects.ts";
import { kindByPlural } from "../admin/api.ts";
import { configuredInFolder } from "./configured.ts";
import { KINDS } from "../control/kinds/index.ts";
import type { Kind, StoredObject } from "../control/types.ts";
import { controlPathOf } from "../storage/control-files.ts";
import { openControlForReading, type ControlReader } from "../storage/control.ts";
import { controlSocketPathOf } from "../storage/data-dir.ts";
import { StorageError } from "../storage/errors.ts";
import { isObject, type Json, type JsonObject } from "../wire/json.ts";
import { EXIT, table, type CommandContext } from "./context.ts";
import { askGateway } from "./control-client.ts";

/** Flags that are none of an object's fields. */
const OWN_FLAGS = ["data-dir", "organisation", "json", "help", "clear", "config"] as const;

interface Order {
  readonly verb: string;
  readonly id: string | null;
  readonly fields: Readonly<Record<string, readonly string[]>>;
  readonly clear: readonly string[];
  readonly dataDir: string;
  readonly organisation: string;
  /** Whose own objects are shown beside the stored ones; null: the one at hand. */
  readonly config: string | null;
  readonly json: boolean;
  readonly help: boolean;
}

const LOCAL = { actor: { role: "owner" } } as const;

/** Is this the word for objects that are managed? */
export function isManaged(command: string): boolean {
  return kindByPlural(KINDS, command) !== undefined;
}

/** Runs the command; resolves with the exit code. */
export async function runManaged(plural: string, args: readonly string[], context: CommandContext): Promise<number> {
  const kind = kindByPlural(KINDS, plural);
  if (kind === undefined) return wrong(context, `there are no ${plural}`);
  const order = readOrder(kind, args, context);
  if (typeof order === "string") return wrong(context, `${order}\n\n${helpOf(kind)}`, EXIT.usage);
  if (order.help) {
    context.out.write(helpOf(kind));
    return EXIT.ok;
  }
  try {
    if (order.verb === "list") return list(kind, order, context);
    if (order.verb === "show") return show(kind, order, context);
    return await act(kind, order, context);
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    return wrong(context, error.message);
  }
}

function list(kind: Kind, order: Order, context: CommandContext): number {
  const found = withReader(order, (reader) => [...reader.all(kind.name)].filter((object) => isOf(kind, object, order.organisation)).map((object) => objectJson(kind, object, LOCAL)));
  const rows = [...found, ...(order.organisation === "default" ? configuredInFolder(kind.name, order.config, context) : [])].toSorted((a, b) => (textOf(a["id"]) < textOf(b["id"]) ? -1 : 1));
  if (order.json) for (const row of rows) context.out.write(`${JSON.stringify(row)}\n`);
  else if (rows.length === 0) context.out.write(`There are no ${kind.plural} yet: spillway ${kind.plural} create … (those of a configuration elsewhere are shown with --config <file>)\n`);
  else context.out.write(table([["id", "source", "fields"], ...rows.map((row) => [textOf(row["id"]), textOf(row["source"]), fieldsLine(row)])], ""));
  return EXIT.ok;
}

function show(kind: Kind, order: Order, context: CommandContext): number {
  const object = withReader(order, (reader) => reader.get(kind.name, order.id ?? ""));
  const own = order.organisation === "default" ? configuredInFolder(kind.name, order.config, context).find(({ id }) => id === order.id) : undefined;
  if (object === undefined && own !== undefined) {
    context.out.write(`${order.json ? JSON.stringify(own) : JSON.stringify(own, null, 2)}\n`);
    return EXIT.ok;
  }
  if (object === undefined || !isOf(kind, object, order.organisation)) return wrong(context, `there is no ${kind.name} ${order.id ?? ""}`);
  context.out.write(order.json ? `${JSON.stringify(objectJson(kind, object, LOCAL))}\n` : `${JSON.stringify(objectJson(kind, object, LOCAL), null, 2)}\n`);
  return EXIT.ok;
}

async function act(kind: Kind, order: Order, context: CommandContext): Promise<number> {
  const schema = order.verb === "create" || order.verb === "update" ? kind.schema : kind.actions?.[order.verb]?.schema;
  const body = schema === undefined ? {} : bodyOf(schema, order);
  if (typeof body === "string") return wrong(context, body, EXIT.usage);
  let answer: unknown;
  try {
    answer = await askGateway(controlSocketPathOf(order.dataDir), "manage", JSON.stringify({ verb: order.verb, kind: kind.name, organisation: order.organisation, id: order.id, body }));
  } catch (error) {
    return wrong(context, `no gateway runs on ${order.dataDir} (${(error as Error).message}). Changes are made by a running gateway: start it, or name its folder with --data-dir.`);
  }
  return told(kind, order, answer as Json, context);
}

function told(kind: Kind, order: Order, answer: Json, context: CommandContext): number {
  if (!isObject(answer)) return wrong(context, "the gateway's answer cannot be read");
  const { refused, object, once, error } = answer;
  if (typeof error === "string") return wrong(context, error);
  if (isObject(refused)) return wrong(context, textOf(refused["message"]));
  if (!isObject(object)) return wrong(context, "the gateway's answer cannot be read");
  if (order.json) {
    context.out.write(`${JSON.stringify({ ...object, ...(isObject(once) ? { once } : {}) })}\n`);
    return EXIT.ok;
  }
  const done = order.verb === "create" ? "made" : order.verb === "update" ? "changed" : order.verb === "delete" ? "deleted" : `${order.verb}: done`;
  context.out.write(`${kind.name} ${textOf(object["id"])}: ${done}\n`);
  if (isObject(once)) for (const [name, value] of Object.entries(once)) context.out.write(`${name}: ${textOf(value)}   (shown once; it cannot be shown again)\n`);
  return EXIT.ok;
}

/** What was sent, from flags: `--limit-usd 100`, `--routes a,b`, `--price '{"input": 1}'`. A text where it cannot be. */
function bodyOf(schema: z.ZodType, order: Order): JsonObject | string {
  const properties = propertiesOf(schema);
  const body: Record<string, Json> = {};
  for (const [field, texts] of Object.entries(order.fields)) {
    const property = properties[field];
    if (property === undefined) return `there is no field ${field}; there are: ${Object.keys(properties).map(flagOf).join(", ")}`;
    const value = valueOf(typesOf(property), texts);
    if (value === undefined) return `${flagOf(field)} takes JSON here: ${texts.join(" ")} is none`;
    body[field] = value;
  }
  for (const field of order.clear) body[field] = null;
  return body;
}

/** The JSON types that a field may have. */
function typesOf(property: JsonObject): ReadonlySet<string> {
  const types = new Set<string>();
  const { type, anyOf } = property;
  if (typeof type === "string") types.add(type);
  for (const one of Array.isArray(type) ? (type as readonly Json[]) : []) if (typeof one === "string") types.add(one);
  for (const one of Array.isArray(anyOf) ? (anyOf as readonly Json[]) : []) if (isObject(one)) for (const inner of typesOf(one)) types.add(inner);
  if (Array.isArray(property["enum"])) types.add("string");
  return types;
}

function valueOf(types: ReadonlySet<string>, texts: readonly string[]): Json | undefined {
  const [text = ""] = texts;
  if (types.has("array") && !text.trimStart().startsWith("[")) {
    const parts = texts.flatMap((one) => one.split(",")).map((one) => one.trim()).filter((one) => one !== "");
    return types.has("string") || parts.some((part) => !/^-?\d+(\.\d+)?$/.test(part)) ? parts : parts.map(Number);
  }
  if (types.has("boolean")) return text === "" || text === "true" ? true : text === "false" ? false : text;
  if (types.has("string")) return text;
  if (types.has("number") || types.has("integer")) return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
  try {
    return JSON.parse(text) as Json;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function propertiesOf(schema: z.ZodType): Readonly<Record<string, JsonObject>> {
  const { properties } = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" });
  return (properties ?? {}) as unknown as Readonly<Record<string, JsonObject>>;
}

/** Flags are read by hand: which there are depends on the kind. */
function readOrder(kind: Kind, args: readonly string[], context: CommandContext): Order | string {
  const words: string[] = [];
  const flags: Record<string, string[]> = {};
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? "";
    if (arg === "-h") flags["help"] = [""];
    else if (!arg.startsWith("--")) words.push(arg);
    else {
      const equals = arg.indexOf("=");
      const name = equals < 0 ? arg.slice(2) : arg.slice(2, equals);
      const next = args[i + 1];
      const alone = name === "json" || name === "help" || next === undefined || next.startsWith("--");
      const value = equals >= 0 ? arg.slice(equals + 1) : alone ? "" : next;
      if (equals < 0 && !alone) i++;
      (flags[name] ??= []).push(value);
    }
  }
  const [verb = "list", id = null, ...rest] = words;
  const verbs = verbsOf(kind);
  if (!verbs.includes(verb)) return `there is no "${verb}" for ${kind.plural}: ${verbs.join(", ")}`;
  if (rest.length > 0) return `too much: ${rest.join(" ")}`;
  if (id === null && verb !== "list" && verb !== "create" && flags["help"] === undefined) return `${verb} needs the id of a ${kind.name}`;
  const own = (name: (typeof OWN_FLAGS)[number]): string | undefined => flags[name]?.at(-1);
  const fields = Object.fromEntries(Object.entries(flags).filter(([name]) => !(OWN_FLAGS as readonly string[]).includes(name)).map(([name, values]) => [name.replaceAll("-", "_"), values]));
  if ((verb === "list" || verb === "show") && Object.keys(fields).length > 0) return `${verb} has no flag ${flagOf(Object.keys(fields)[0] ?? "")}`;
  return {
    verb, id, fields,
    clear: (flags["clear"] ?? []).flatMap((names) => names.split(",")).map((name) => name.replaceAll("-", "_")),
    dataDir: own("data-dir") ?? context.env["SPILLWAY_DATA_DIR"] ?? "./.spillway",
    organisation: own("organisation") ?? "default",
    config: own("config") ?? null,
    json: own("json") !== undefined,
    help: own("help") !== undefined,
  };
}

function verbsOf(kind: Kind): readonly string[] {
  return ["list", "create", "show", "update", "delete", ...Object.keys(kind.actions ?? {})];
}

function helpOf(kind: Kind): string {
  const properties = propertiesOf(kind.schema);
  const flags = Object.entries(properties).map(([field, property]) => [flagOf(field), typeof property["description"] === "string" ? property["description"] : ""]);
  return `spillway ${kind.plural} ${verbsOf(kind).join("|")} [id] [flags]
${kind.description}
list and show read the data folder; everything else is done by the running gateway.

Fields (a list as a,b; anything deeper as JSON; --clear <field> takes one away):
${table(flags)}
  --organisation <id>  whose objects (default)
  --json               one JSON object a line
  --config <file>      list and show: whose own objects are shown too (the one in this folder)
  --data-dir <folder>  SPILLWAY_DATA_DIR, else ./.spillway
`;
}

function flagOf(field: string): string {
  return `--${field.replaceAll("_", "-")}`;
}

function isOf(kind: Kind, object: StoredObject, organisation: string): boolean {
  return object.tenant === organisation || (kind.name === "organisation" && organisation === "default");
}

function withReader<T>(order: Order, read: (reader: ControlReader) => T): T {
  const reader = openControlForReading(controlPathOf(order.dataDir));
  try {
    return read(reader);
  } finally {
    reader.close();
  }
}

/** A text as it is, anything else as JSON. */
function textOf(value: Json | undefined): string {
  return typeof value === "string" ? value : (JSON.stringify(value) ?? "");
}

const COMMON = new Set(["id", "object", "organisation", "source", "version", "created_at", "updated_at"]);

function fieldsLine(row: JsonObject): string {
  const text = Object.entries(row).filter(([field]) => !COMMON.has(field)).map(([field, value]) => `${field}=${textOf(value)}`).join(" ");
  return text.length > 140 ? `${text.slice(0, 139)}…` : text;
}

function wrong(context: CommandContext, message: string, code: number = EXIT.wrong): number {
  context.errors.write(`spillway: ${message}\n`);
  return code;
}
