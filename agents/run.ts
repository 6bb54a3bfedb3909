/**
 * Coding agents through the gateway, unmodified and headless: each is asked once, calls a tool of its own, and ends with what
 * the tool said; on an upstream of its own dialect and on foreign ones. Simulated providers play the model.
 *
 *   node agents/run.ts [name …]        exits 1 if an agent fails; says why and exits 0 where they cannot be installed
 */
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startFleet, type FleetConfig } from "../src/fleet/index.ts";
import { testGateway } from "../test/support/gateway.ts";
import { AGENTS, type Agent, type Dialect, type Started } from "./cases.ts";

const HERE = import.meta.dirname;
const INSTALLED = join(HERE, "node_modules");
const KEY = "key-of-the-agent";
const MODEL = "agent-model";
const PRICE = { input: 1, output: 2 };
const TYPES: Readonly<Record<Dialect, string>> = { "openai-chat": "openai-compatible", "anthropic-messages": "anthropic", gemini: "google" };
const INSTALL_MS = 300_000;
const PATIENCE_MS = 120_000;
const MADE = "made by the agent";
const SAID = "the-tool-ran";
const COMMAND = `printf '${MADE}' > made.txt && echo ${SAID}`;

/** What each agent calls the tool that runs a command. The last one of Cline's ends its work. */
const TOOL_CALLS = [
  { name: "Bash", arguments: { command: COMMAND, description: "make the file" } },
  { name: "exec_command", arguments: { cmd: COMMAND } },
  { name: "bash", arguments: { command: COMMAND, description: "make the file" } },
  { name: "run_commands", arguments: { commands: [COMMAND] } },
  { name: "submit_and_exit", arguments: { summary: "The file was made, and its words were read back.", verified: true } },
];

/** null, or why they cannot be installed here. */
function install(): string | null {
  if (existsSync(join(INSTALLED, ".package-lock.json"))) return null;
  try {
    // Not `npm ci`: it refuses a lockfile that lacks the builds for other machines, which not every mirror has.
    execFileSync("npm", ["install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund"], { cwd: HERE, stdio: ["ignore", "ignore", "pipe"], timeout: INSTALL_MS });
    return null;
  } catch (error) {
    const lines = (error as Error).message.split("\n");
    return lines.find((line) => line.startsWith("npm error")) ?? lines[0] ?? "no reason told";
  }
}

/** Null, or what went wrong. */
async function tried(agent: Agent, dialect: Dialect): Promise<string | null> {
  // Cline takes the tool and the end of its work from one answer; the others call one tool each.
  const config: FleetConfig = { seed: 1, providers: [{ name: "model", dialect, models: { "*": PRICE }, tokens_out: 12, tool_calls: TOOL_CALLS, parallel_tools: 2 }] };
  const fleet = await startFleet(config);
  const account = { type: TYPES[dialect], base_url: fleet.provider("model").baseUrl, api_key: "fleet-key", models: { m: { price: PRICE, context: 400_000, max_output: 128_000 } } };
  const gateway = await testGateway(JSON.stringify({ version: 1, keys: [{ name: "agent", key: KEY }], providers: { up: account }, routes: { [MODEL]: { candidates: ["up/m"] } }, aliases: { "*": MODEL } }));
  const folder = mkdtempSync(join(tmpdir(), "spillway-agent-"));
  const [home, project] = [join(folder, "home"), join(folder, "project")];
  mkdirSync(home);
  mkdirSync(project);
  try {
    const started = agent.start({ origin: gateway.url, key: KEY, model: MODEL, home, project, installed: INSTALLED });
    let output = "";
    for (const args of started.runs) output += await ran(started, args, home, project);
    const made = join(project, "made.txt");
    const requests = await gateway.requests();
    if (!existsSync(made) || readFileSync(made, "utf8") !== MADE) return `the file was not made:\n${output.slice(-2_000)}`;
    if (!output.includes(SAID)) return `what the tool said is not in its answer:\n${output.slice(-2_000)}`;
    const bad = requests.find((request) => request.record?.outcome !== "ok" || request.attempts.some((attempt) => attempt.state !== "charged"));
    if (bad !== undefined) return `a request came to ${bad.record?.outcome} (${bad.record?.errorCode})`;
    if (!requests.every((request) => request.record?.surface === agent.surface)) return "a request came in by another surface";
    return fleet.bill().length === requests.length ? null : `${requests.length} requests, but ${fleet.bill().length} calls`;
  } finally {
    await gateway.close();
    await fleet.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

function ran({ command, env }: Started, args: readonly string[], home: string, project: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: project, env: { PATH: process.env["PATH"] ?? "", HOME: home, TERM: "dumb", NO_COLOR: "1", ...env }, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    child.stdout.on("data", (bytes: Buffer) => void (output += bytes.toString()));
    child.stderr.on("data", (bytes: Buffer) => void (output += bytes.toString()));
    const late = setTimeout(() => {
      output += `\nstill running after ${PATIENCE_MS / 1_000} s`;
      child.kill("SIGKILL");
    }, PATIENCE_MS);
    child.on("error", reject);
    child.on("close", (code) => {
      clearTimeout(late);
      resolve(code === 0 ? output : `${output}\nexit code ${code}`);
    });
  });
}

function versionOf(agent: Agent): string {
  return (JSON.parse(readFileSync(join(INSTALLED, agent.package, "package.json"), "utf8")) as { version: string }).version;
}

const missing = install();
const wanted = process.argv.slice(2);
if (missing !== null) process.stdout.write(`agents: left out, since they cannot be installed here: ${missing}\n`);
else {
  for (const agent of AGENTS) {
    if (wanted.length > 0 && !wanted.includes(agent.name)) continue;
    for (const dialect of agent.dialects) {
      const problem = await tried(agent, dialect).catch((error: unknown) => String(error));
      process.stdout.write(`${problem === null ? "ok  " : "FAIL"}  ${agent.name} ${versionOf(agent)} on ${dialect}${problem === null ? "" : `: ${problem}`}\n`);
      if (problem !== null) process.exitCode = 1;
    }
  }
}
