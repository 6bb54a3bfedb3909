/** Tools and tool choice of a Messages body as those of the hub. */
import type { Tool, ToolChoice } from "../../../wire/chat.ts";
import { asArray, asString, isObject, type Json, type JsonObject, member } from "../../../wire/json.ts";
import type { ParsedConversation } from "./client-messages.ts";
import type { BodyReader } from "./client-notes.ts";
import { shown } from "./draft.ts";

interface Offered {
  readonly name: string;
  readonly tool: Tool;
  withdrawn: boolean;
}

/** The tools that are on offer when the model answers: those of `tools`, with the changes in the conversation applied. */
export function parseTools(raw: JsonObject, changes: ParsedConversation["toolChanges"], reader: BodyReader): readonly Tool[] {
  const offered = reader.array(raw.tools, "tools").map((tool, at) => offer(tool, `tools[${at}]`, reader));
  const byName = new Map(offered.map((one) => [one.name, one]));
  for (const { block, place } of changes) {
    const added = change(block, place, byName, reader);
    if (added !== undefined) offered.push(added);
  }
  if (changes.length > 0) reader.warn("tools added or withdrawn in the middle of the conversation were sent as the list that holds now");
  return offered.filter(({ withdrawn }) => !withdrawn).map(({ tool }) => tool);
}

/** Apply one change; gives the tool that it adds. */
function change(block: JsonObject, place: string, byName: Map<string, Offered>, reader: BodyReader): Offered | undefined {
  const about = reader.required(reader.object(block.tool, `${place}.tool`), `${place}.tool`, "the tool that changes");
  if (about.type === "tool_definition" && block.type === "tool_addition") {
    const added = offer(about.definition ?? null, `${place}.tool.definition`, reader);
    const known = byName.get(added.name);
    // Defined anew, it stands where it is told last.
    if (known !== undefined) known.withdrawn = true;
    byName.set(added.name, added);
    return added;
  }
  const known = about.type === "tool_reference" ? byName.get(asString(about.name) ?? "") : undefined;
  if (known !== undefined) known.withdrawn = block.type === "tool_removal";
  else reader.only(`${place}.tool`, "this change of tools can only be sent to a provider of the Messages API");
  return undefined;
}

function offer(raw: Json, place: string, reader: BodyReader): Offered {
  if (!isObject(raw)) throw reader.wrong(place, "an object", raw);
  const type = reader.string(raw.type, `${place}.type`) ?? "custom";
  const tool = type === "custom" ? functionTool(raw, place, reader) : typedTool(raw, type, place, reader);
  return { name: asString(raw.name) ?? "", tool, withdrawn: false };
}

/** A tool of the maker's own: run on its side, or by a schema that only its models were taught. */
function typedTool(raw: JsonObject, type: string, place: string, reader: BodyReader): Tool {
  reader.only(`${place}.type`, `a tool of type ${shown(type)} can only be sent to a provider of the Messages API`);
  return { kind: "other", type, raw };
}

/** What `eager_input_streaming` asks for, arguments piece by piece, every stream of ours gives. */
const KNOWN_IN_TOOL = [
  "type", "name", "description", "input_schema", "strict", "cache_control", "input_examples", "defer_loading", "allowed_callers",
  "eager_input_streaming",
];

function functionTool(raw: JsonObject, place: string, reader: BodyReader): Tool {
  const name = reader.string(raw.name, `${place}.name`);
  if (name === undefined || name === "") throw reader.missing(`${place}.name`, "the tool's name");
  reader.warnLeftOut(raw, KNOWN_IN_TOOL, "a tool's ");
  if (raw.defer_loading === true) reader.warn("tools with defer_loading were sent with the others");
  const callers = asArray(raw.allowed_callers);
  if (callers.length > 0 && !callers.includes("direct")) {
    reader.only(`${place}.allowed_callers`, "a tool that only code may call can only be sent to a provider of the Messages API");
  }
  return {
    kind: "function",
    name,
    description: withExamples(reader.string(raw.description, `${place}.description`), raw.input_examples),
    parameters: reader.object(raw.input_schema, `${place}.input_schema`),
    strict: reader.boolean(raw.strict, `${place}.strict`),
    cacheControl: reader.object(raw.cache_control, `${place}.cache_control`),
  };
}

/** Examples of input have a field here only; in the description every model reads them. */
function withExamples(description: string | undefined, examples: Json | undefined): string | undefined {
  const list = asArray(examples);
  if (list.length === 0) return description;
  const lines = ["Examples of input:", ...list.map((example) => JSON.stringify(example))];
  return [...(description === undefined ? [] : [description, ""]), ...lines].join("\n");
}

export interface ParsedToolChoice {
  readonly toolChoice: ToolChoice | undefined;
  /** Only a wish for serial calls is told: parallel ones are what every provider does by itself. */
  readonly parallelToolCalls: false | undefined;
}

/** Parse `tool_choice`. */
export function parseToolChoice(raw: JsonObject, reader: BodyReader): ParsedToolChoice {
  const choice = reader.object(raw.tool_choice, "tool_choice");
  if (choice === undefined) return { toolChoice: undefined, parallelToolCalls: undefined };
  reader.warnLeftOut(choice, ["type", "name", "disable_parallel_tool_use"], "tool_choice.");
  const serial = reader.boolean(member(choice, "disable_parallel_tool_use"), "tool_choice.disable_parallel_tool_use") === true;
  return { toolChoice: choiceOf(choice, reader), parallelToolCalls: serial ? false : undefined };
}

function choiceOf(choice: JsonObject, reader: BodyReader): ToolChoice | undefined {
  const type = reader.required(reader.string(choice.type, "tool_choice.type"), "tool_choice.type", "auto, any, tool or none");
  switch (type) {
    case "auto":
    case "none":
      return { kind: type };
    case "any":
      return { kind: "required" };
    case "tool":
      return { kind: "named", name: reader.required(reader.string(choice.name, "tool_choice.name"), "tool_choice.name", "the tool's name") };
    default:
      reader.only("tool_choice.type", `tool_choice ${shown(type)} can only be sent to a provider of the Messages API`);
      return undefined;
  }
}
