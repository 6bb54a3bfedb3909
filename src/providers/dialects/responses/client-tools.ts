/**
 * Tools and tool choice of a Responses body, as the hub's functions.
 *
 * What becomes of each kind elsewhere than at a Responses API:
 * - `function`: itself. `namespace`: its members, under joined names that are parted again in the answer.
 * - `custom` (input is plain text): a function with one string. A grammar is told to the model but cannot be enforced; the
 *   client that wrote the grammar checks the text anyway before it acts on it.
 * - hosted tools (search, files, code …) run at the provider and exist nowhere else. Leaving one out changes what can be
 *   answered, so the request is refused, with one exception: agents put `web_search` and the like into every request,
 *   beside a dozen tools of their own, and get along without them. Where the choice is left to the model and the client
 *   brought tools of its own, those few are left out with a warning. A hosted tool that stands alone, or that is
 *   demanded, is what the request is for.
 */
import type { Tool, ToolChoice } from "../../../wire/chat.ts";
import { asArray, asString, isObject } from "../../../wire/json.ts";
import type { Json, JsonObject } from "../../../wire/json.ts";
import type { Intake } from "./client-intake.ts";
import type { ListedTool, ToolNames } from "./client-names.ts";

/** Hosted tools without which an agent still does its work. */
const DISPENSABLE = /^(?:web_search|web_search_preview|image_generation|tool_search)(?:_\d{4}_\d{2}_\d{2})?$/;
const IN_FUNCTION = ["type", "name", "description", "parameters", "strict"];
const IN_CUSTOM = ["type", "name", "description", "format"];
/** The one argument of the function that stands for a custom tool. */
export const CUSTOM_INPUT = "input";

/** The tools that other dialects can be given; what cannot go there is told to the intake. */
export function parseTools(raw: JsonObject, listed: readonly ListedTool[], names: ToolNames, intake: Intake): readonly Tool[] {
  intake.array(raw["tools"], "tools").forEach((tool, i) => checkEntry(tool, `tools[${i}]`, intake));
  const tools = new Map<string, Tool>();
  const introduced = new Set<string>();
  for (const tool of listed) {
    const type = intake.text(tool.raw, "type", tool.path, "the type of the tool");
    if (type !== "function" && type !== "custom") continue;
    const name = intake.text(tool.raw, "name", tool.path, "the tool's name");
    const flat = names.flat(tool.namespace, name);
    if (tools.has(flat)) continue;
    // The first of a group introduces it, so that what the client says of the group is said once.
    const about = tool.namespace === undefined || introduced.has(tool.namespace) ? undefined : namespaceText(raw, tool.namespace);
    if (tool.namespace !== undefined) introduced.add(tool.namespace);
    tools.set(flat, type === "custom" ? customTool(tool, flat, about, intake) : functionTool(tool, flat, about, intake));
  }
  hostedTools(raw, listed, tools.size > 0, intake);
  return [...tools.values()];
}

function checkEntry(tool: Json, path: string, intake: Intake): void {
  if (!isObject(tool)) throw intake.wrong(path, "an object", tool);
  if (tool["type"] !== "namespace") return;
  intake.text(tool, "name", path, "the name of the namespace");
  intake.array(tool["tools"], `${path}.tools`).forEach((inner, j) => {
    if (!isObject(inner)) throw intake.wrong(`${path}.tools[${j}]`, "an object", inner);
  });
}

function namespaceText(raw: JsonObject, namespace: string): string | undefined {
  const group = asArray(raw["tools"]).find((tool) => isObject(tool) && tool["type"] === "namespace" && tool["name"] === namespace);
  const text = isObject(group) ? asString(group["description"]) : undefined;
  return text === undefined || text === "" ? undefined : `${namespace}: ${text}`;
}

function functionTool({ raw, path }: ListedTool, flat: string, about: string | undefined, intake: Intake): Tool {
  intake.warnUnknown(raw, IN_FUNCTION, path);
  return {
    kind: "function",
    name: flat,
    description: joined(about, intake.string(raw["description"], `${path}.description`)),
    parameters: intake.object(raw["parameters"], `${path}.parameters`),
    strict: intake.boolean(raw["strict"], `${path}.strict`),
    cacheControl: undefined,
  };
}

function customTool({ raw, path }: ListedTool, flat: string, about: string | undefined, intake: Intake): Tool {
  intake.warnUnknown(raw, IN_CUSTOM, path);
  const format = intake.object(raw["format"], `${path}.format`);
  const definition = asString(format?.["definition"]);
  let grammar: string | undefined;
  if (definition !== undefined) {
    intake.warn(`${path}.format: other providers are told the grammar but do not enforce it.`);
    grammar = `The input must follow this ${asString(format?.["syntax"]) ?? ""} grammar:\n${definition}`;
  }
  return {
    kind: "function",
    name: flat,
    description: joined(about, intake.string(raw["description"], `${path}.description`), grammar),
    parameters: {
      type: "object",
      properties: { [CUSTOM_INPUT]: { type: "string", description: "The whole input of the tool, as plain text." } },
      required: [CUSTOM_INPUT],
      additionalProperties: false,
    },
    strict: undefined,
    cacheControl: undefined,
  };
}

function joined(...texts: readonly (string | undefined)[]): string | undefined {
  const said = texts.filter((text) => text !== undefined && text !== "");
  return said.length === 0 ? undefined : said.join("\n\n");
}

function hostedTools(raw: JsonObject, listed: readonly ListedTool[], hasOwnTools: boolean, intake: Intake): void {
  const choice = raw["tool_choice"];
  const free = choice === undefined || choice === null || choice === "auto" || choice === "none" || isFreelyAllowed(choice) || isOwn(choice);
  for (const { raw: tool, path } of listed) {
    const type = asString(tool["type"]) ?? "";
    if (type === "function" || type === "custom") continue;
    if (choice === "none" || isOwn(choice)) intake.warn(`${path}: the hosted tool ${type} was left out; it was not to be called.`);
    else if (free && hasOwnTools && DISPENSABLE.test(type)) intake.warn(`${path}: the hosted tool ${type} exists only at its provider and was left out.`);
    else intake.only(`${path}.type`, `the hosted tool ${type} exists only at providers of the Responses API.`);
  }
}

function isFreelyAllowed(choice: Json): boolean {
  return isObject(choice) && choice["type"] === "allowed_tools" && choice["mode"] !== "required";
}

/** One tool of the client's own is demanded: no hosted one can be called. */
function isOwn(choice: Json | undefined): boolean {
  return isObject(choice) && (choice["type"] === "function" || choice["type"] === "custom");
}

/** The choice in the hub's words; a hosted tool that is demanded exists only here. */
export function parseToolChoice(value: Json | undefined, names: ToolNames, intake: Intake): ToolChoice | undefined {
  if (value === undefined || value === null) return undefined;
  if (value === "none" || value === "auto" || value === "required") return { kind: value };
  if (typeof value === "string") {
    intake.only("tool_choice", `"${value.slice(0, 40)}" is not known here.`);
    return undefined;
  }
  if (!isObject(value)) throw intake.wrong("tool_choice", "a string or an object", value);
  const type = intake.text(value, "type", "tool_choice", "the type of the choice");
  if (type === "function" || type === "custom") {
    const name = intake.text(value, "name", "tool_choice", "the tool's name");
    intake.warnUnknown(value, ["type", "name", "namespace"], "tool_choice");
    return { kind: "named", name: names.flat(asString(value["namespace"]), name) };
  }
  if (type === "allowed_tools") return allowedTools(value, names, intake);
  intake.only("tool_choice", `the hosted tool ${type} exists only at providers of the Responses API.`);
  return undefined;
}

function allowedTools(value: JsonObject, names: ToolNames, intake: Intake): ToolChoice {
  const mode = value["mode"] === "required" ? "required" : "auto";
  const allowed: string[] = [];
  intake.array(value["tools"], "tool_choice.tools").forEach((entry, i) => {
    const name = isObject(entry) ? asString(entry["name"]) : undefined;
    const type = isObject(entry) ? asString(entry["type"]) : undefined;
    if (isObject(entry) && name !== undefined && (type === "function" || type === "custom")) allowed.push(names.flat(asString(entry["namespace"]), name));
    else if (mode === "required") intake.only(`tool_choice.tools[${i}]`, `the tool ${type ?? "named there"} exists only at providers of the Responses API.`);
    else intake.warn(`tool_choice.tools[${i}]: ${type ?? "what is named there"} exists only at its provider and was left out.`);
  });
  return allowed.length === 0 ? { kind: "none" } : { kind: "allowed", mode, names: allowed };
}
