/** A real gateway for tests: in this process, or as a child that can be killed. Both on free ports and an own data folder. */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startGateway, type Gateway, type GatewayOptions } from "../../src/compose.ts";
import { showError } from "../../src/config/report.ts";
import { parseConfig } from "../../src/config/load.ts";
import { openLog } from "../../src/edge/log.ts";
import type { RequestView } from "../../src/storage/rows.ts";
import { openReadOnly } from "../../src/storage/data-dir.ts";
import { PROVIDERS } from "../../src/providers/registry.ts";

export interface TestGateway extends Gateway {
  /** `http://127.0.0.1:port/v1`. */
  readonly baseUrl: string;
  readonly dataDir: string;
  /** Finished requests as `spillway requests --json` would tell them, oldest first. Waits until none is in flight. */
  requests(): Promise<readonly RequestView[]>;
  close(): Promise<void>;
}

/** Start a gateway of a YAML text in this process. */
export async function testGateway(yaml: string, options: Partial<GatewayOptions> = {}): Promise<TestGateway> {
  const dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), "spillway-test-"));
  const env = options.env ?? {};
  const parsed = parseConfig(yaml, { source: "test.yaml", env, providers: PROVIDERS, readFile: () => "" });
  if (!parsed.ok) throw new Error(parsed.errors.map(showError).join("\n"));
  const gateway = await startGateway({
    loaded: { ...parsed, path: null, text: null },
    env,
    host: "127.0.0.1",
    port: 0,
    adminPort: 0,
    dataDir,
    drainMs: 2_000,
    tls: null,
    log: openLog("off"),
    requestLog: null,
    maxInFlight: 2_000,
    watch: false,
    ...options,
  });
  const close = async (): Promise<void> => {
    await gateway.stop(0);
    if (options.dataDir === undefined) rmSync(dataDir, { recursive: true, force: true });
  };
  return { ...gateway, baseUrl: `${gateway.url}/v1`, dataDir, close, requests: () => listRequests(dataDir, gateway.adminUrl) };
}

async function listRequests(dataDir: string, adminUrl: string): Promise<readonly RequestView[]> {
  for (;;) {
    const text = await (await fetch(`${adminUrl}/metrics`)).text();
    if (/^spillway_in_flight 0$/m.test(text)) break;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  // Records are written in batches about ten times a second.
  await new Promise((resolve) => setTimeout(resolve, 250));
  const reader = openReadOnly(dataDir);
  try {
    return [...reader.requests({ limit: 1_000_000 })];
  } finally {
    reader.close();
  }
}

export interface ChildGateway {
  readonly url: string;
  readonly baseUrl: string;
  readonly child: ChildProcess;
  readonly dataDir: string;
  /** What it wrote so far, both streams. */
  output(): string;
  /** SIGKILL; resolves when the process is gone. */
  kill9(): Promise<void>;
  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number | null>;
}

export interface ChildOptions {
  readonly dataDir: string;
  readonly env?: Record<string, string>;
  readonly args?: readonly string[];
}

/** Start a gateway as a child process; resolves when it listens. */
export async function childGateway(yaml: string, options: ChildOptions): Promise<ChildGateway> {
  const configPath = join(mkdtempSync(join(tmpdir(), "spillway-config-")), "spillway.yaml");
  writeFileSync(configPath, yaml);
  const main = new URL("../../src/cli/main.ts", import.meta.url).pathname;
  const args = [main, "start", "--config", configPath, "--port", "0", "--admin-port", "0", "--data-dir", options.dataDir, "--log", "off", "--request-log", "off", ...(options.args ?? [])];
  const child = spawn(process.execPath, args, { env: { PATH: process.env["PATH"] ?? "", NODE_NO_WARNINGS: "1", ...options.env }, stdio: ["ignore", "pipe", "pipe"] });
  let text = "";
  const url = await new Promise<string>((resolve, reject) => {
    const look = (chunk: Buffer): void => {
      text += chunk.toString();
      const found = /^Listening on (\S+)/m.exec(text)?.[1];
      if (found !== undefined) resolve(found);
    };
    child.stdout.on("data", look);
    child.stderr.on("data", look);
    child.once("exit", (code) => reject(new Error(`the gateway ended with ${code}:\n${text}`)));
  });
  const gone = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));
  return {
    url,
    baseUrl: `${url}/v1`,
    child,
    dataDir: options.dataDir,
    output: () => text,
    kill9: async () => {
      child.kill("SIGKILL");
      await gone;
    },
    stop: async () => {
      child.kill("SIGTERM");
      return await gone;
    },
  };
}
