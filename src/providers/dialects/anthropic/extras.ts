/** What of a Messages request's price-bearing fields can be bounded beforehand. */
import { asArray, asString, member, type Json, type JsonObject } from "../../../wire/json.ts";
import { usesOf, windowsOf, type Extras } from "../../../wire/extras.ts";

/** `web_search_20250305`; fetching costs nothing but the tokens that it brings. */
const TOOL = /^(web_search|web_fetch)_(\d{8})$/;
/** From these versions on the tools are called from code that the provider runs, unless only direct calls are allowed. */
const CALLED_BY_CODE_FROM = "20260101";

/** undefined: none of them. */
export function extrasOf(raw: JsonObject): Extras | undefined {
  const fields: string[] = [];
  const serviceTier = asString(raw.service_tier);
  if (serviceTier !== undefined) fields.push("service_tier");
  const geo = asString(raw.inference_geo);
  if (geo !== undefined) fields.push("inference_geo");
  const tools = toolsOf(asArray(raw.tools));
  fields.push(...tools.fields);
  if (fields.length === 0) return undefined;
  return {
    fields,
    ...(serviceTier === undefined ? {} : { serviceTier }),
    ...(geo === undefined ? {} : { geo }),
    ...(tools.fields.length === 0 ? {} : { windows: windowsOf(tools.uses) }),
    ...(tools.searches === 0 ? {} : { units: { web_searches: tools.searches } }),
  };
}

interface Tools {
  readonly fields: readonly string[];
  readonly uses: number;
  readonly searches: number;
}

/** Tools with a limit of their own. A type of which one has none is bounded by nothing. */
function toolsOf(tools: readonly Json[]): Tools {
  const fields = new Set<string>();
  const without = new Set<string>();
  let uses = 0;
  let searches = 0;
  for (const tool of tools) {
    const type = asString(member(tool, "type")) ?? "";
    const [, name, version] = TOOL.exec(type) ?? [];
    if (name === undefined || version === undefined) continue;
    const most = usesOf(member(tool, "max_uses"));
    if (most === undefined || !calledDirectly(tool, version)) without.add(`tools[].type=${type}`);
    else {
      fields.add(`tools[].type=${type}`);
      uses += most;
      if (name === "web_search") searches += most;
    }
  }
  return { fields: [...fields].filter((field) => !without.has(field)), uses, searches };
}

/** Code that the provider runs between the calls takes turns that no `max_uses` counts. */
function calledDirectly(tool: Json, version: string): boolean {
  const allowed = member(tool, "allowed_callers");
  if (allowed === undefined || allowed === null) return version < CALLED_BY_CODE_FROM;
  const callers = asArray(allowed);
  return callers.length > 0 && callers.every((caller) => caller === "direct");
}
