/** Price-bearing fields of a generateContent body that the bound of a call does not cover. */
import { asArray, isObject, member, type JsonObject } from "../../../wire/json.ts";

/** Tools that run at the provider and are billed by use, or bring tokens of unknown number into the prompt. */
const SERVER_TOOLS = [
  "googleSearch", "google_search", "googleSearchRetrieval", "google_search_retrieval", "enterpriseWebSearch", "enterprise_web_search",
  "codeExecution", "code_execution", "urlContext", "url_context", "googleMaps", "google_maps", "fileSearch", "file_search",
  "computerUse", "computer_use", "retrieval", "mcpServers", "mcp_servers",
];
const TOP_LEVEL = ["cachedContent", "cached_content", "serviceTier", "service_tier"];
const GENERATION = ["responseModalities", "response_modalities", "speechConfig", "speech_config", "imageConfig", "image_config"];

/** The ones present in `raw`, as paths in the spelling of the body (`tools[].googleSearch`, `cachedContent`). */
export function unboundedFields(raw: JsonObject): readonly string[] {
  const found = new Set<string>();
  for (const key of TOP_LEVEL) if (present(raw, key)) found.add(key);
  for (const tool of asArray(raw["tools"])) {
    for (const key of SERVER_TOOLS) if (present(tool, key)) found.add(`tools[].${key}`);
  }
  for (const holder of ["generationConfig", "generation_config"]) {
    const config = raw[holder];
    for (const key of GENERATION) if (present(config, key)) found.add(`${holder}.${key}`);
  }
  for (const content of asArray(raw["contents"])) {
    for (const part of asArray(member(content, "parts"))) {
      for (const key of ["fileData", "file_data"]) if (present(part, key)) found.add(`contents[].parts[].${key}`);
    }
  }
  return [...found];
}

function present(holder: unknown, key: string): boolean {
  if (!isObject(holder) || !Object.hasOwn(holder, key)) return false;
  const value = holder[key];
  return value !== null && value !== undefined;
}
