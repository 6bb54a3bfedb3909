/** Requests that another gateway translates, and what our codecs make of the same body for the same kind of target. */
import assert from "node:assert/strict";
import { loadCatalogue } from "../../src/providers/catalog/index.ts";
import { clientOf } from "../../src/providers/dialects/clients.ts";
import type { AskedOutside } from "../../src/providers/dialects/client.ts";
import type { Target } from "../../src/providers/dialects/dialect.ts";
import { dialectById } from "../../src/providers/dialects/index.ts";
import { PROVIDERS } from "../../src/providers/registry.ts";
import { asString, isObject, member, type Json, type JsonObject } from "../../src/wire/json.ts";
import { scanBody, splice } from "../../src/wire/scan.ts";
import type { SurfaceName } from "../../src/wire/surfaces.ts";
import { jsonOf, textOf } from "./folder.ts";

const FOLDER = "agentgateway/requests";

/** Their folders → our surface. */
const SURFACES: Readonly<Record<string, SurfaceName>> = { completions: "chat", messages: "messages", responses: "responses", gemini: "generate-content" };

/** Their word for a target → our provider, and a model of it to stand in where the body names one that it does not have. */
const TARGETS: Readonly<Record<string, readonly [provider: string, standIn: string]>> = {
  anthropic: ["anthropic", "claude-sonnet-4-5"],
  bedrock: ["bedrock", "anthropic.claude-sonnet-4-20250514-v1:0"],
  completions: ["openai", "gpt-5"],
  responses: ["openai", "gpt-5"],
  "vertex-gemini": ["google", "gemini-2.5-pro"],
  // By its maker's compatible endpoint, whose form is chat.
  gemini: ["openai-compatible", "gemini-2.5-pro"],
  "gemini-native": ["google", "gemini-2.5-pro"],
};

const catalogue = loadCatalogue();

/** What they send, as their snapshot says: after its head, one JSON object. */
export function theirRequest(snapshot: string): JsonObject {
  const text = textOf(`${FOLDER}/${snapshot}`);
  const request = member(JSON.parse(text.slice(text.lastIndexOf("\n---\n") + 5)) as Json, "request");
  assert.ok(isObject(request), snapshot);
  return request;
}

/**
 * What we send for the same body. What of it we refuse is taken out, each in turn and at the place given, so that the rest
 * can be compared; `refused` names it as we do.
 */
export function ourRequest(snapshot: string, places: readonly string[]): { readonly request: JsonObject; readonly refused: readonly string[] } {
  const [folder = "", name = ""] = snapshot.split("/");
  const [input = "", kind = ""] = name.split(".");
  const raw = jsonOf(`${FOLDER}/${folder}/${input}.json`);
  assert.ok(isObject(raw), snapshot);
  const refused: string[] = [];
  let body = raw;
  for (const place of [...places, null]) {
    const request = translated(SURFACES[folder] ?? "chat", kind, body);
    if (typeof request !== "string") return { request, refused };
    refused.push(request);
    if (place !== null) body = without(body, place);
  }
  return { request: {}, refused };
}

/** The body for the target, or the name of what we refuse. */
function translated(surface: SurfaceName, kind: string, raw: JsonObject): JsonObject | string {
  const client = clientOf(surface);
  const target = targetOf(kind, asString(raw["model"]));
  const inPath = surface === "generate-content";
  const outside: AskedOutside = { model: inPath ? target.upstreamModel : undefined, stream: inPath ? false : undefined, query: "", header: () => undefined };
  const parsed = client.parse(raw, outside);
  if (parsed.kind === "error") return parsed.error.param ?? parsed.error.message;
  const dialect = kind === "responses" ? "openai-responses" : (target.provider.dialect ?? "openai-chat");
  if (dialect === client.id) {
    const bytes = new TextEncoder().encode(JSON.stringify(raw));
    const scan = scanBody(bytes);
    assert.ok(scan.kind === "object");
    const { edits } = client.pass({ bytes, scan, raw, request: parsed.request, outside }, target);
    return JSON.parse(new TextDecoder().decode(splice(bytes, edits))) as JsonObject;
  }
  const onlyHere = parsed.onlyHere[0];
  if (onlyHere !== undefined) return onlyHere.param;
  const encoded = dialectById(dialect).encodeChat(parsed.request, target);
  return encoded.kind === "unsupported" ? encoded.param : (JSON.parse(JSON.stringify(encoded.body)) as JsonObject);
}

/** A copy without what stands at `tools[0]` or `output_config.format`. */
function without(body: JsonObject, place: string): JsonObject {
  const steps = place.split(/[.[\]]+/).filter((step) => step !== "");
  const last = steps.pop() ?? "";
  const copy = structuredClone(body) as Json;
  const holder = steps.reduce<Json | undefined>((found, step) => (Array.isArray(found) ? (found as Json[])[Number(step)] : member(found, step)), copy);
  if (Array.isArray(holder)) (holder as Json[]).splice(Number(last), 1);
  else if (isObject(holder)) delete (holder as { [key: string]: Json })[last];
  assert.ok(isObject(copy), place);
  return copy;
}

/** The body's own model where this provider has it, so that what the model can do is known; else the stand-in's facts under the body's name. */
function targetOf(kind: string, named: string | undefined): Target {
  const [id = "", standIn = ""] = TARGETS[kind] ?? [];
  const provider = PROVIDERS.get(id);
  assert.ok(provider !== undefined, kind);
  const known = catalogue.byId.get(`${id}/${named ?? standIn}`) ?? catalogue.byId.get(`${id}/${standIn}`) ?? null;
  return { provider, model: known, upstreamModel: named ?? standIn };
}
