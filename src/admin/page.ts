/** The description of the API as one page for people: no script, nothing fetched, nothing of an installation. */
import { hash } from "node:crypto";
import { asString, isObject, type Json, type JsonObject } from "../wire/json.ts";

const STYLE = `
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid #8886; } h3 { margin: 1.5rem 0 0; font-size: 1rem; font-family: ui-monospace, monospace; }
b { display: inline-block; min-width: 4rem; } code { font-family: ui-monospace, monospace; font-size: .9em; }
table { border-collapse: collapse; margin: .5rem 0; } td { padding: .15rem 1rem .15rem 0; vertical-align: top; } nav a { margin-right: 1rem; } p { margin: .25rem 0; }
`;

export interface DocsPage {
  readonly html: string;
  /** The policy under which it may be shown: its own style, nothing else. */
  readonly policy: string;
}

/** The page of a document. */
export function docsPage(document: JsonObject): DocsPage {
  const operations = operationsOf(document);
  const tags = [...new Set(operations.map(({ tag }) => tag))];
  const info = isObject(document["info"]) ? document["info"] : {};
  const body = [
    `<h1>${escaped(asString(info["title"]) ?? "")} ${escaped(asString(info["version"]) ?? "")}</h1>`,
    `<p>${escaped(asString(info["description"]) ?? "")}</p>`,
    `<p>The same for programs: <a href="/admin/v1/openapi.json">openapi.json</a> (OpenAPI 3.1). Every call carries <code>Authorization: Bearer &lt;token&gt;</code>.</p>`,
    `<nav>${tags.map((tag) => `<a href="#${escaped(tag)}">${escaped(tag)}</a>`).join(" ")}</nav>`,
    ...tags.map((tag) => `<h2 id="${escaped(tag)}">${escaped(tag)}</h2>${operations.filter((one) => one.tag === tag).map((one) => operationHtml(one, document)).join("")}`),
  ].join("\n");
  const html = `<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Spillway admin API</title><style>${STYLE}</style></head><body>\n${body}\n</body></html>\n`;
  return { html, policy: `default-src 'none'; style-src 'sha256-${hash("sha256", STYLE, "base64")}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'` };
}

interface Operation {
  readonly method: string;
  readonly path: string;
  readonly tag: string;
  readonly value: JsonObject;
}

function operationsOf(document: JsonObject): readonly Operation[] {
  const paths = isObject(document["paths"]) ? document["paths"] : {};
  return Object.entries(paths).flatMap(([path, methods]) =>
    isObject(methods) ? Object.entries(methods).flatMap(([method, value]) => (isObject(value) ? [{ method: method.toUpperCase(), path, value, tag: (value["tags"] as readonly string[])[0] ?? "" }] : [])) : [],
  );
}

function operationHtml({ method, path, value }: Operation, document: JsonObject): string {
  const rows: [string, string][] = [];
  for (const parameter of value["parameters"] as readonly JsonObject[]) {
    if (parameter["in"] === "path" || parameter["name"] === "organisation") continue;
    rows.push([`${parameter["in"] === "header" ? "header " : "?"}${asString(parameter["name"]) ?? ""}`, asString(parameter["description"]) ?? ""]);
  }
  const schema = resolved(bodySchema(value), document);
  const required = new Set((schema?.["required"] as readonly string[] | undefined) ?? []);
  const properties = isObject(schema?.["properties"]) ? schema["properties"] : {};
  for (const [field, property] of Object.entries(properties)) rows.push([`${field}${required.has(field) && method !== "PATCH" ? " (required)" : ""}`, isObject(property) ? fieldText(property) : ""]);
  return `<h3><b>${method}</b> ${escaped(path)}</h3><p>${escaped(asString(value["summary"]) ?? "")}. ${escaped(asString(value["description"]) ?? "")}</p>${
    rows.length === 0 ? "" : `<table>${rows.map(([name, text]) => `<tr><td><code>${escaped(name)}</code></td><td>${escaped(text)}</td></tr>`).join("")}</table>`
  }`;
}

function bodySchema(value: JsonObject): Json | undefined {
  const body = value["requestBody"];
  const content = isObject(body) ? body["content"] : undefined;
  const json = isObject(content) ? content["application/json"] : undefined;
  return isObject(json) ? json["schema"] : undefined;
}

function resolved(schema: Json | undefined, document: JsonObject): JsonObject | undefined {
  if (!isObject(schema)) return undefined;
  const name = asString(schema["$ref"])?.replace("#/components/schemas/", "");
  if (name === undefined) return schema;
  const components = document["components"] as { readonly schemas: Readonly<Record<string, JsonObject>> };
  return components.schemas[name];
}

function fieldText(property: JsonObject): string {
  const values = Array.isArray(property["enum"]) ? ` (${property["enum"].join(", ")})` : "";
  return `${asString(property["description"]) ?? ""}${values}`;
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);
}
