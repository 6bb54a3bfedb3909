/**
 * Writes docs/providers.md by running the code that calls providers: configuration, transport, credential, dialect. No
 * provider is called. The part on recorded answers needs the shared data and is left as it is without.
 *
 *   node scripts/providers-doc.ts
 */
import { generateKeyPairSync } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { pipelineSnapshot } from "../src/compose/pipeline-snapshot.ts";
import { parseConfig } from "../src/config/load.ts";
import { showError } from "../src/config/report.ts";
import { buildSnapshot } from "../src/config/snapshot.ts";
import type { Deployment } from "../src/decide/deployment.ts";
import type { Clock, Upstream } from "../src/ports.ts";
import { loadCatalogue } from "../src/providers/catalog/index.ts";
import { parseChatRequest } from "../src/providers/dialects/chat-surface.ts";
import { dialectById } from "../src/providers/dialects/index.ts";
import { PROVIDERS } from "../src/providers/registry.ts";
import type { ChatRequest } from "../src/wire/chat.ts";
import type { ProviderFacts } from "../src/wire/facts.ts";
import type { Json, JsonObject } from "../src/wire/json.ts";
import { ACCOUNTS, ERRORS, KEY_ACCOUNT, MODELS, RECORDINGS } from "./providers-samples.ts";

export const PAGE = new URL("../docs/providers.md", import.meta.url);
/** Everything before this needs nothing but the code. */
export const RECORDED_HEADING = "## Recorded answers";

const WALL_MS = Date.UTC(2026, 0, 2, 3, 4, 5);
const STATUSES = [400, 401, 402, 403, 404, 408, 413, 422, 429, 498, 500, 503, 504, 529];

/** The page without the part on recorded answers. */
export async function codePart(): Promise<string> {
  const parts = [HEAD, overview()];
  for (const facts of PROVIDERS.values()) parts.push(await section(facts));
  return `${parts.join("\n")}\n`;
}

/** The part on recorded answers; `folder` holds the recordings. */
export function recordedPart(folder: string): string {
  const rows = [...PROVIDERS.values()].map((facts) => {
    const file = RECORDINGS[facts.id];
    return file === undefined ? `| ${facts.id} | \`unproven\` | |` : `| ${facts.id} | ${file} | ${decoded(facts, readJson(resolve(folder, file)))} |`;
  });
  return [
    RECORDED_HEADING, "", "A whole answer of the provider as somebody recorded it, through the decoder that reads it in the gateway. Token classes are disjoint.", "",
    "| provider | recording | what it was taken for |", "|---|---|---|", ...rows, "",
  ].join("\n");
}

/** Where the recordings are; null where they are absent. */
export function recordingsFolder(): string | null {
  const folder = resolve(process.env["SPILLWAY_SHARED"] ?? "../shared", "data/fixtures/ai-sdk");
  return existsSync(folder) ? folder : null;
}

const HEAD = `# Providers

Written by \`node scripts/providers-doc.ts\`, and a test holds it to the code: each URL and header below is what the gateway's own
configuration, transport, credential and dialect make of a call. What stands in angle brackets is a secret or made anew for each call.

What could not be proved is marked \`unproven\`. **Unproven of every provider: that it takes the call.** No key was at hand, so none was
called; addresses and headers are those of its documentation. Signing is proved against the published vectors
(\`src/edge/sigv4.test.ts\`); fetching, keeping and renewing tokens against servers on the loopback (\`src/edge/credentials.test.ts\`).
`;

function overview(): string {
  const rows = [...PROVIDERS.values()].map((facts) => {
    if (facts.dialect === null) return `| ${facts.id} | not spoken | | | |`;
    const recorded = RECORDINGS[facts.id] === undefined ? "`unproven`" : "decodes";
    const error = ERRORS[facts.id] === undefined ? "by status; its words `unproven`" : "classified, in its documented form";
    const limits = facts.rateLimitHeaders === undefined ? "none known" : "read, in their documented form";
    return `| ${facts.id} | ${facts.dialect} | ${recorded} | ${error} | ${limits} |`;
  });
  return ["| provider | dialect | recorded answer | error | rate-limit headers |", "|---|---|---|---|---|", ...rows, ""].join("\n");
}

async function section(facts: ProviderFacts): Promise<string> {
  const lines = [`## ${facts.name}`, "", `Type \`${facts.id}\`.`];
  if (facts.dialect === null) return [...lines, "Its protocol is not spoken: its models are known and priced, and never called.", ""].join("\n");
  for (const [what, yaml] of ACCOUNTS[facts.id] ?? KEY_ACCOUNT) lines.push("", ...(await callLines(facts, what, yaml)));
  lines.push("", ...factLines(facts), "");
  return lines.join("\n");
}

async function callLines(facts: ProviderFacts, what: string, yaml: string): Promise<readonly string[]> {
  const { deployment, request, tokenCalls } = await exampleCall(facts, yaml, false);
  const stream = await exampleCall(facts, yaml, true);
  const sameUrl = stream.request.url === request.url;
  return [
    `With ${what}${yaml === "" ? "" : `: \`${facts.id}: { ${yaml.replace("${CREDENTIALS}", "${file:/run/secrets/account.json}")} }\``}`,
    "",
    "```",
    ...tokenCalls.map((url) => `POST ${url}   (for the credential, when it is due)`),
    `POST ${request.url}`,
    ...(sameUrl ? [] : [`POST ${stream.request.url}   (streams)`]),
    ...request.headers.map(([name, value]) => `${name}: ${value}`),
    "```",
    "",
    `for \`${deployment.upstreamModel}\``,
  ];
}

/** Headers that prove who calls or that the provider asks for; the others are the client's and the gateway's own. */
const SHOWN = /^(authorization|x-api-key|api-key|x-goog-api-key|anthropic-version|x-amz-.*)$/;

async function exampleCall(facts: ProviderFacts, yaml: string, stream: boolean) {
  const tokenCalls: string[] = [];
  const env = { CREDENTIALS: credentialFile() };
  const parsed = parseConfig(`version: 1\nunpriced: serve\nproviders:\n  ${facts.id}: { ${yaml} }\n`, { source: "example", env, providers: PROVIDERS, readFile: () => "" });
  if (!parsed.ok) throw new Error(parsed.errors.map(showError).join("\n"));
  const snapshot = buildSnapshot(parsed.config, loadCatalogue(), PROVIDERS);
  const deployment = exampleDeployment(facts, snapshot);
  const transport = pipelineSnapshot(snapshot, { upstream: tokens(tokenCalls), clock: CLOCK, readFile: () => "" }).transport(deployment);
  const encoded = dialectById(deployment.provider.dialect ?? "openai-chat").encodeChat(chatRequest(stream), { provider: deployment.provider, model: deployment.model, upstreamModel: deployment.upstreamModel });
  if (encoded.kind === "unsupported") throw new Error(`${facts.id}: ${encoded.message}`);
  const headers = ["content-type", "application/json", ...transport.headers, ...encoded.headers.flat()];
  const path = transport.basePath + encoded.path;
  const call = { method: "POST", origin: transport.origin, path, headers, body: new TextEncoder().encode(JSON.stringify(encoded.body)) } as const;
  const all = [...headers, ...((await transport.authorize?.(call)) ?? [])];
  const shown = new Map<string, string>();
  for (let i = 0; i + 1 < all.length; i += 2) if (SHOWN.test(all[i] as string)) shown.set(all[i] as string, masked(all[i + 1] as string));
  return { deployment, tokenCalls, request: { url: transport.origin + path, headers: [...shown] } };
}

function exampleDeployment(facts: ProviderFacts, snapshot: ReturnType<typeof buildSnapshot>): Deployment {
  const wanted = MODELS[facts.id];
  if (wanted !== undefined) return snapshot.deployments.get(`${facts.id}/${wanted}`) ?? raise(`no model ${facts.id}/${wanted}`);
  for (const deployment of snapshot.deployments.values()) {
    if (deployment.model?.type === "chat" && deployment.model.status === "active" && !deployment.model.output.includes("audio")) return deployment;
  }
  const resolved = snapshot.directory.resolve(`${facts.id}/my-model`);
  const found = resolved.kind === "route" ? resolved.route.candidates[0]?.deployment : undefined;
  return found ?? raise(`${facts.id} serves nothing`);
}

function raise(message: string): never {
  throw new Error(message);
}

function chatRequest(stream: boolean): ChatRequest {
  const parsed = parseChatRequest({ model: "m", messages: [{ role: "user", content: "Hello" }], max_completion_tokens: 16, ...(stream ? { stream } : {}) });
  if (parsed.kind === "error") throw new Error(parsed.error.message);
  return parsed.request;
}

/** What differs from run to run, and what stands for a secret. */
function masked(value: string): string {
  return value
    .replace(/\bKEY\b/, "<key>")
    .replace("ACCESS-TOKEN", "<access token>")
    .replace("SESSION-TOKEN", "<session token>")
    .replace(/Signature=[0-9a-f]{64}/, "Signature=<signature>")
    .replace(/^\d{8}T\d{6}Z$/, "<time>")
    .replace(/\/\d{8}\//, "/<day>/");
}

let file: string | null = null;
/** The text of a credential file with a key of its own. */
function credentialFile(): string {
  if (file === null) {
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048, privateKeyEncoding: { type: "pkcs8", format: "pem" }, publicKeyEncoding: { type: "spki", format: "pem" } });
    file = JSON.stringify({ type: "service_account", project_id: "my-project", client_email: "gateway@my-project.example", private_key: privateKey, token_uri: "https://oauth2.googleapis.com/token" });
  }
  return file;
}

const CLOCK: Clock = { nowMs: () => 0, wallMs: () => WALL_MS, after: () => ({ cancel: () => undefined }) };

/** Gives a token or keys to whoever asks, and writes down where that was. */
function tokens(asked: string[]): Upstream {
  return {
    send: (request, handler) => {
      asked.push(request.origin + request.path);
      const keys = "<R><AccessKeyId>ASIAEXAMPLE</AccessKeyId><SecretAccessKey>SECRET</SecretAccessKey><SessionToken>SESSION-TOKEN</SessionToken><Expiration>2026-01-02T04:04:05Z</Expiration></R>";
      const body = request.path === "/" ? keys : JSON.stringify({ access_token: "ACCESS-TOKEN", expires_in: 3_600 });
      queueMicrotask(() => {
        handler.onHeaders(200, () => undefined);
        handler.onData(new TextEncoder().encode(body));
        handler.onEnd();
      });
      return { pause: () => undefined, resume: () => undefined, abort: () => undefined };
    },
  };
}

function factLines(facts: ProviderFacts): readonly string[] {
  const { usage, env, keyVariables = [], endpoints = {}, rateLimitHeaders = [] } = facts;
  const lines = [
    `- Found by: ${env.length > 0 ? env.map(code).join(", ") : "the configuration only"}${keyVariables.length > 0 ? `; once it is named there, the key may come from ${keyVariables.map(code).join(" or ")}` : ""}`,
    ...Object.entries(endpoints).map(([region, url]) => `- Within ${region}: \`base_url: "${url}"\``),
    `- Usage: ${usageWords(facts)}${usage.cost === null ? "" : `; its own charge at ${code(usage.cost.path)}, ${usage.cost.perUsd} to the dollar`}`,
    `- When the client leaves: ${facts.onClientGone === "drain" ? "read on for the true usage" : "close"}; a call aborted before usage is booked at ${facts.billsOnAbort === "input" ? "its prompt" : "nothing"}`,
    `- Errors by status: ${statusWords(facts)}`,
    `- An error: ${errorWords(facts)}`,
    `- Rate limits: ${rateLimitHeaders.length === 0 ? "no headers known" : rateLimitHeaders.map(({ name }) => code(name)).join(", ")}`,
  ];
  const { fields = {} } = facts.quirks;
  const quirks = [
    ...(facts.quirks.developerAsSystem === true ? ["`developer` is sent as `system`"] : []),
    ...(facts.quirks.chunks === true ? [`thinking, documents and sound go among the chunks of a message; ${code("seed")} is sent as ${code("random_seed")}`] : []),
    ...(facts.quirks.maxTokensField === undefined ? [] : [`the output limit goes into ${code(facts.quirks.maxTokensField)}`]),
    ...(facts.quirks.replaysReasoningContent === true ? ["earlier reasoning goes back with tools"] : []),
    ...(facts.quirks.signsToolCalls === true ? ["thought signatures on tool calls go back"] : []),
    ...Object.entries(fields).map(([name, rule]) => `${code(name)} is ${rule === "refuse" ? "refused" : "left out with a warning"}`),
  ];
  return quirks.length === 0 ? lines : [...lines, `- Differences: ${quirks.join("; ")}`];
}

function usageWords({ dialect, usage }: ProviderFacts): string {
  if (dialect !== "openai-chat") return "in its dialect's own terms";
  const reasoning = usage.reasoningInOutput === "guess" ? "reasoning inside or outside the output, by its sums" : `reasoning ${usage.reasoningInOutput ? "inside" : "outside"} the output`;
  return `${reasoning}; cache reads inside the prompt, at ${usage.cacheReadPaths.map(code).join(" or ")}${usage.includeUsageOption ? "; streams are asked for it" : "; streams bring it unasked"}`;
}

function statusWords(facts: ProviderFacts): string {
  const byClass = new Map<string, number[]>();
  for (const status of STATUSES) {
    const found = classified(facts, status, {}, undefined).class;
    byClass.set(found, [...(byClass.get(found) ?? []), status]);
  }
  return [...byClass].map(([name, statuses]) => `${statuses.join(", ")} ${name}`).join(" · ");
}

function errorWords(facts: ProviderFacts): string {
  const sample = ERRORS[facts.id];
  if (sample === undefined) return "`unproven` beyond its status";
  const { class: found, retryAfterMs } = classified(facts, sample.status, sample.headers ?? {}, sample.body as Json);
  const text = JSON.stringify(sample.body);
  return `${sample.status} \`${text}\` is **${found}**${retryAfterMs === null ? "" : `, to be tried again after ${retryAfterMs / 1_000} s`}`;
}

/** As the pipeline does it: the dialect's reading, then what this provider means by the status. */
function classified(facts: ProviderFacts, status: number, headers: Readonly<Record<string, string>>, body: Json | undefined) {
  const dialect = dialectById(facts.dialect ?? "openai-chat");
  const error = dialect.readError(status, (name) => headers[name], body, body === undefined ? "" : JSON.stringify(body), WALL_MS);
  const override = facts.statusClasses[status];
  return override === undefined ? error : { ...error, class: override };
}

function decoded(facts: ProviderFacts, body: Json): string {
  const events = dialectById(facts.dialect ?? "openai-chat").decodeAnswer(body, { usage: facts.usage, upstreamModel: "recorded" });
  let characters = 0;
  let reasoning = 0;
  let finish = "";
  let usage = "";
  for (const event of events) {
    if (event.kind === "error") throw new Error(`${facts.id}: ${event.error.message}`);
    if (event.kind === "text") characters += event.text.length;
    if (event.kind === "reasoning") reasoning += event.text.length;
    if (event.kind === "finish") finish = event.reason;
    if (event.kind === "usage") usage = Object.entries(event.usage.units).map(([unit, count]) => `${unit} ${count}`).join(", ");
  }
  if (finish === "" || usage === "") throw new Error(`${facts.id}: no finish or no usage`);
  return `${characters} characters${reasoning > 0 ? ` after ${reasoning} of reasoning` : ""}, finish ${finish}; ${usage}`;
}

function code(text: string): string {
  return `\`${text}\``;
}

function readJson(path: string): JsonObject {
  return JSON.parse(readFileSync(path, "utf8")) as JsonObject;
}

if (import.meta.main) {
  const folder = recordingsFolder();
  const before = existsSync(PAGE) ? readFileSync(PAGE, "utf8") : "";
  const kept = before.includes(RECORDED_HEADING) ? before.slice(before.indexOf(RECORDED_HEADING)) : "";
  writeFileSync(PAGE, (await codePart()) + (folder === null ? kept : recordedPart(folder)));
}
