/** `toolConfig` of a Converse body as tools and tool choice of the hub. */
import type { Tool, ToolChoice } from "../../../wire/chat.ts";
import { asString, isObject, type Json, type JsonObject, member } from "../../../wire/json.ts";
import type { BodyReader } from "../anthropic/client-notes.ts";
import { shown } from "../anthropic/draft.ts";
import { memberOf } from "./client-content.ts";
import { cachePointOf } from "./client-messages.ts";

export interface ParsedTools {
  readonly tools: readonly Tool[];
  readonly toolChoice: ToolChoice | undefined;
}

/** Parse `toolConfig`. */
export function parseTools(raw: JsonObject, reader: BodyReader): ParsedTools {
  const config = reader.object(raw.toolConfig, "toolConfig");
  if (config === undefined) return { tools: [], toolChoice: undefined };
  const tools: Tool[] = [];
  reader.array(config.tools, "toolConfig.tools").forEach((tool, at) => {
    const marker = cachePointOf(tool);
    const last = tools.at(-1);
    if (marker === undefined) tools.push(toolOf(tool, `toolConfig.tools[${at}]`, reader));
    else if (last?.kind === "function") tools[tools.length - 1] = { ...last, cacheControl: marker };
  });
  reader.warnLeftOut(config, ["tools", "toolChoice"], "toolConfig.");
  return { tools, toolChoice: choiceOf(config.toolChoice, reader) };
}

function toolOf(tool: Json, place: string, reader: BodyReader): Tool {
  if (!isObject(tool)) throw reader.wrong(place, "an object", tool);
  const spec = reader.object(tool.toolSpec, `${place}.toolSpec`);
  if (spec === undefined) {
    const type = memberOf(tool)?.[0] ?? "unknown";
    reader.only(`${place}.${shown(type)}`, `a tool of type ${shown(type)} can only be sent to a provider of the Converse API`);
    return { kind: "other", type, raw: tool };
  }
  const name = reader.string(spec.name, `${place}.toolSpec.name`);
  if (name === undefined || name === "") throw reader.missing(`${place}.toolSpec.name`, "the tool's name");
  reader.warnLeftOut(spec, ["name", "description", "inputSchema", "strict"], "a tool's ");
  reader.warnLeftOut(tool, ["toolSpec", "type"], "beside the toolSpec of a tool, ");
  if (isObject(spec.inputSchema)) reader.warnLeftOut(spec.inputSchema, ["json", "type"], "a tool's inputSchema.");
  return {
    kind: "function",
    name,
    description: reader.string(spec.description, `${place}.toolSpec.description`),
    parameters: reader.object(member(spec.inputSchema, "json"), `${place}.toolSpec.inputSchema.json`),
    strict: reader.boolean(spec.strict, `${place}.toolSpec.strict`),
    cacheControl: undefined,
  };
}

function choiceOf(value: Json | undefined, reader: BodyReader): ToolChoice | undefined {
  const choice = reader.object(value, "toolConfig.toolChoice");
  if (choice === undefined) return undefined;
  const [kind] = memberOf(choice) ?? [];
  if (kind !== undefined) reader.warnLeftOut(choice, ["type", kind], "toolConfig.toolChoice.");
  if (isObject(choice.tool)) {
    reader.warnLeftOut(choice.tool, ["name", "type"], "toolConfig.toolChoice.tool.");
    const place = "toolConfig.toolChoice.tool.name";
    return { kind: "named", name: reader.required(reader.string(choice.tool.name, place), place, "the tool's name") };
  }
  if (choice.any !== undefined) return { kind: "required" };
  if (choice.auto !== undefined) return { kind: "auto" };
  const [type] = memberOf(choice) ?? [""];
  if (type !== "") reader.only("toolConfig.toolChoice", `the tool choice ${shown(type)} can only be sent to a provider of the Converse API`);
  return undefined;
}

/** A choice in a model's own form, as clients write it to forbid parallel calls. */
export function modelToolChoice(value: Json | undefined): { readonly choice: ToolChoice | undefined; readonly parallel: boolean | undefined } {
  const parallel = member(value, "disable_parallel_tool_use");
  const name = asString(member(value, "name"));
  const type = asString(member(value, "type"));
  const kinds: Readonly<Record<string, ToolChoice>> = { auto: { kind: "auto" }, any: { kind: "required" }, none: { kind: "none" } };
  const plain = type !== undefined && Object.hasOwn(kinds, type) ? kinds[type] : undefined;
  const choice = type === "tool" && name !== undefined ? ({ kind: "named", name } as const) : plain;
  return { choice, parallel: typeof parallel === "boolean" ? !parallel : undefined };
}
