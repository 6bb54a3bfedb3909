/** What is compared: each variant is a proxy in a process of its own, in front of the same provider. */
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { MODEL, type Provider } from "./load.ts";
import { Child, freePort } from "./processes.ts";

export interface Setting {
  readonly provider: Provider;
  /** For files of the variants; a new one for each start. */
  readonly folder: string;
  readonly keys: readonly string[];
}

export interface Running {
  readonly pid: number;
  readonly jsonPort: number;
  readonly streamPort: number;
  /** Header lines that this variant needs besides the usual ones. */
  readonly headers: readonly string[];
  stop(): Promise<void>;
  /** After the stop: does what it kept agree with the requests that it was asked? Null, or what is wrong. */
  verify(requests: number): string | null;
}

export interface Variant {
  readonly name: string;
  readonly label: string;
  /** Make sure that it can run here: null, or what is missing. */
  prepare(): string | null;
  start(setting: Setting): Promise<Running>;
}

const NOTHING_KEPT = (): null => null;

/** No proxy: what the client sees of the provider itself. Only latency is measured of it. */
export const direct: Variant = {
  name: "direct",
  label: "direct",
  prepare: () => null,
  start: ({ provider }) =>
    Promise.resolve({ pid: provider.pid, jsonPort: provider.port, streamPort: provider.port, headers: [], stop: () => Promise.resolve(), verify: NOTHING_KEPT }),
};

// nginx

/** A plain proxy: one worker, no log, answers buffered, streams not. */
export const nginx: Variant = {
  name: "nginx",
  label: "nginx, plain proxy",
  prepare: () => {
    if (nginxPath() !== null) return null;
    if (process.getuid?.() !== 0 || spawnSync("apt-get", ["--version"]).status !== 0) return "nginx is not installed (Debian: apt-get install nginx-light)";
    process.stderr.write("installing nginx-light\n");
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    spawnSync("apt-get", ["update", "-qq"], { env, stdio: "ignore" });
    spawnSync("apt-get", ["install", "-y", "--no-install-recommends", "nginx-light"], { env, stdio: "ignore" });
    return nginxPath() === null ? "nginx is not installed, and apt-get could not install nginx-light" : null;
  },
  start: async ({ provider, folder }) => {
    const jsonPort = await freePort();
    const streamPort = await freePort();
    const config = join(folder, "nginx.conf");
    writeFileSync(config, nginxConfig(folder, jsonPort, streamPort, provider.port));
    const child = new Child("gateway", nginxPath() ?? "nginx", ["-p", folder, "-c", config, "-e", join(folder, "error.log")], { stdio: ["ignore", "ignore", "pipe"] });
    await child.listens(streamPort);
    return { pid: child.pid, jsonPort, streamPort, headers: [], stop: () => child.stop(2_000), verify: NOTHING_KEPT };
  },
};

function nginxPath(): string | null {
  const path = spawnSync("sh", ["-c", "PATH=$PATH:/usr/sbin command -v nginx"], { encoding: "utf8" }).stdout.trim();
  return path === "" ? null : path;
}

/** `nginx/1.22.1`, for the report. */
export function nginxVersion(): string {
  const told = spawnSync(nginxPath() ?? "nginx", ["-v"], { encoding: "utf8" }).stderr ?? "";
  return /nginx\/\S+/.exec(told)?.[0] ?? "nginx of unknown version";
}

function nginxConfig(folder: string, jsonPort: number, streamPort: number, upstreamPort: number): string {
  const server = (port: number, buffering: "on" | "off"): string => `
  server {
    listen 127.0.0.1:${port} backlog=2048;
    location / { proxy_pass http://provider; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering ${buffering}; }
  }`;
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `  ${name}_temp_path ${join(folder, name)};`).join("\n");
  return `${process.getuid?.() === 0 ? "user root;\n" : ""}daemon off;
worker_processes 1;
worker_rlimit_nofile 16384;
pid ${join(folder, "nginx.pid")};
error_log ${join(folder, "error.log")} error;
events { worker_connections 8192; }
http {
${temporary}
  access_log off;
  keepalive_timeout 75s;
  keepalive_requests 100000000;
  upstream provider { server 127.0.0.1:${upstreamPort}; keepalive 4096; keepalive_requests 100000000; }
${server(jsonPort, "on")}
${server(streamPort, "off")}
}
`;
}

// Bare proxy

export const bare: Variant = {
  name: "bare",
  label: "bare undici-dispatch proxy",
  prepare: () => null,
  start: async ({ provider }) => {
    const port = await freePort();
    const child = nodeProgram([new URL("bare-proxy.ts", import.meta.url).pathname, String(port), `http://127.0.0.1:${provider.port}`]);
    await child.listens(port);
    return { pid: child.pid, jsonPort: port, streamPort: port, headers: [], stop: () => child.stop(1_000), verify: NOTHING_KEPT };
  },
};

function nodeProgram(args: readonly string[], env: Readonly<Record<string, string>> = {}): Child {
  return new Child("gateway", process.execPath, args, {
    env: { PATH: process.env["PATH"] ?? "", HOME: process.env["HOME"] ?? "", NODE_NO_WARNINGS: "1", ...env },
    stdio: ["ignore", "ignore", "pipe"],
  });
}

// Spillway

/** Everything on: caller key, hold, charge, record, request log (to nowhere). */
export const spillway: Variant = spillwayVariant("spillway", "spillway, everything on", "process");
/** As above, with charges that survive the machine. */
export const spillwayFull: Variant = spillwayVariant("spillway-full", "spillway, ledger.sync: full", "full");
/** As the first, with budgets on four scopes of each call and limits of pace on two. */
export const spillwayMoney: Variant = spillwayVariant("spillway-money", "spillway, four budgets and two limits on each call", "process", "openai-compatible", true);
/** Streams of a provider that speaks another protocol than the client: each event is read and written anew. */
export const spillwayMessages: Variant = spillwayVariant("spillway-messages", "spillway, translating from Messages", "process", "anthropic");
export const spillwayGenerate: Variant = spillwayVariant("spillway-generate", "spillway, translating from generateContent", "process", "google");
export const spillwayResponses: Variant = spillwayVariant("spillway-responses", "spillway, translating from Responses", "process", "openai-compatible\n    api: responses");
export const spillwayConverse: Variant = spillwayVariant("spillway-converse", "spillway, translating from Converse", "process", "bedrock");
export const spillwayCohere: Variant = spillwayVariant("spillway-cohere", "spillway, translating from Cohere", "process", "cohere");

/** Variants that say something of streams only. */
export const STREAMS_ONLY: ReadonlySet<string> = new Set([spillwayMessages, spillwayGenerate, spillwayResponses, spillwayConverse, spillwayCohere].map(({ name }) => name));

function spillwayVariant(name: string, label: string, sync: "process" | "full", type = "openai-compatible", limited = false): Variant {
  return {
    name,
    label,
    prepare: () => null,
    start: async ({ provider, folder, keys }) => {
      const [port, adminPort] = [await freePort(), await freePort()];
      const config = join(folder, "spillway.yaml");
      writeFileSync(config, spillwayConfig(provider.baseUrl, keys, sync, type) + (limited ? limitsFor(keys) : ""));
      const main = new URL("../src/cli/main.ts", import.meta.url).pathname;
      // For profiles: `--cpu-prof --cpu-prof-dir=<folder>`, `--perf-basic-prof` and the like.
      const flags = (process.env["BENCH_NODE_FLAGS"] ?? "").split(" ").filter((flag) => flag !== "");
      const child = nodeProgram([...flags, main, "start", "--config", config, "--port", String(port), "--admin-port", String(adminPort), "--data-dir", join(folder, "data"), "--max-in-flight", "4000", "--log", "json", "--request-log", "on"]);
      await child.listens(port);
      return { pid: child.pid, jsonPort: port, streamPort: port, headers: [], stop: () => child.stop(20_000), verify: (requests) => verifyLedger(join(folder, "data", "ledger.db"), requests) };
    },
  };
}

function spillwayConfig(baseUrl: string, keys: readonly string[], sync: "process" | "full", type: string): string {
  const entries = keys.map((key, i) => `  - { name: "caller-${i}", sha256: "${createHash("sha256").update(key).digest("hex")}" }`);
  return `version: 1
keys:
${entries.join("\n")}
providers:
  local:
    type: ${type}
    base_url: "${baseUrl}"
    api_key: none
    models:
      ${MODEL}: { price: { input: 0.15, output: 0.6 }, context: 131072, max_output: 16384 }
routes:
  ${MODEL}: { candidates: [local/${MODEL}] }
ledger: { sync: ${sync} }
`;
}

/** Never reached: what is measured is that they are kept. Each key has a budget of its own, and three are everybody's. */
function limitsFor(keys: readonly string[]): string {
  const budget = (id: string, scope: string, period: string): string => `  ${id}: { scope: "${scope}", period: ${period}, limit_usd: 1000000, alerts: [50, 100] }`;
  const budgets = [
    budget("all", "tenant/default", "month"), budget("route", `route/${MODEL}`, "week"), budget("provider", "provider/local", "day"),
    ...keys.map((_, i) => budget(`key-${i}`, `key/caller-${i}`, "month")),
  ];
  const limits = [`  all: { scope: tenant/default, requests_per_minute: 100000000, tokens_per_minute: 1000000000000, concurrency: 100000 }`, `  route: { scope: "route/${MODEL}", requests_per_minute: 100000000 }`];
  return `budgets:\n${budgets.join("\n")}\nlimits:\n${limits.join("\n")}\n`;
}

/** One charged row and one record per request, and nothing held. */
function verifyLedger(path: string, requests: number): string | null {
  const db = new DatabaseSync(path, { readOnly: true });
  try {
    const count = (sql: string): number => Number(db.prepare(sql).get()?.["n"]);
    const found = {
      rows: count("SELECT count(*) AS n FROM attempts"),
      charged: count("SELECT count(*) AS n FROM attempts WHERE state = 'charged' AND cost_nano_usd > 0"),
      records: count("SELECT count(*) AS n FROM records"),
    };
    if (Object.values(found).every((n) => n === requests)) return null;
    return `${requests} requests, but ${found.rows} rows in the ledger, ${found.charged} of them charged, and ${found.records} records`;
  } finally {
    db.close();
  }
}

// Portkey

const PORTKEY = new URL("node_modules/@portkey-ai/gateway/", import.meta.url).pathname;

export const portkey: Variant = {
  name: "portkey",
  label: "@portkey-ai/gateway",
  prepare: () => {
    if (existsSync(PORTKEY)) return null;
    process.stderr.write("installing @portkey-ai/gateway into bench/\n");
    try {
      execFileSync("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], { cwd: new URL(".", import.meta.url).pathname, stdio: ["ignore", "ignore", "pipe"] });
    } catch (error) {
      return `@portkey-ai/gateway could not be installed: ${(error as Error).message.split("\n").slice(0, 3).join(" ")}`;
    }
    return null;
  },
  start: async ({ provider }) => {
    const port = await freePort();
    const child = nodeProgram([join(PORTKEY, "build/start-server.js"), `--port=${port}`, "--headless"], { NODE_ENV: "production" });
    await child.listens(port);
    const headers = ["x-portkey-provider: openai", `x-portkey-custom-host: ${provider.baseUrl}`];
    return { pid: child.pid, jsonPort: port, streamPort: port, headers, stop: () => child.stop(1_000), verify: NOTHING_KEPT };
  },
};

/** Its version, for the report. */
export function portkeyVersion(): string {
  if (!existsSync(PORTKEY)) return "not installed";
  return (JSON.parse(readFileSync(join(PORTKEY, "package.json"), "utf8")) as { version: string }).version;
}

export const VARIANTS: readonly Variant[] = [direct, nginx, bare, spillway, spillwayMoney, spillwayFull, spillwayMessages, spillwayGenerate, spillwayResponses, spillwayConverse, spillwayCohere, portkey];

/** Start a variant with a folder of its own. */
export async function startVariant(variant: Variant, setting: Setting, number: number): Promise<Running> {
  const folder = join(setting.folder, `${variant.name}-${number}`);
  mkdirSync(folder);
  return await variant.start({ ...setting, folder });
}
