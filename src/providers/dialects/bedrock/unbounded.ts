/**
 * Fields of a Converse request that bear on the price and that the bound of a call does not cover. Cache lifetimes are
 * bounded (the dearest write class counts), and so are tools that the client runs.
 */
import { asArray, asString, isObject, type JsonObject, member } from "../../../wire/json.ts";

/** Paths of the fields present in `raw`, a body of this dialect. */
export function unboundedFields(raw: JsonObject): readonly string[] {
  const found: string[] = [];
  const tier = asString(member(raw.serviceTier, "type"));
  if (tier !== undefined && tier !== "default") found.push("serviceTier");
  const latency = asString(member(raw.performanceConfig, "latency"));
  if (latency !== undefined && latency !== "standard") found.push("performanceConfig");
  // Charged by the text that they look at.
  if (isObject(raw.guardrailConfig)) found.push("guardrailConfig");
  // A prompt kept at the host, of a length that we do not see.
  if (isObject(raw.promptVariables)) found.push("promptVariables");
  for (const tool of asArray(member(raw.toolConfig, "tools"))) {
    const name = asString(member(member(tool, "systemTool"), "name"));
    if (name !== undefined) found.push(`toolConfig.tools[].systemTool=${name}`);
  }
  for (const tool of asArray(member(raw.additionalModelRequestFields, "tools"))) {
    const type = asString(member(tool, "type")) ?? "";
    if (!/^(custom|bash_|text_editor_|computer_|memory_)/.test(type)) found.push(`additionalModelRequestFields.tools[].type=${type}`);
  }
  return [...new Set(found)];
}
