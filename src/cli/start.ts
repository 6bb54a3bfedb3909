/** `spillway start`: the gateway in the foreground, until a signal. */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { startGateway, StartError, type Gateway } from "../compose.ts";
import { showError } from "../config/report.ts";
import { allErrors } from "../config/problems.ts";
import { loadConfig, type LoadedConfig } from "../config/source.ts";
import { openLog, type LogMode } from "../edge/log.ts";
import { simulatedFleet, startFleet, type Fleet } from "../fleet/index.ts";
import { StorageError } from "../storage/errors.ts";
import { EXIT, type CommandContext } from "./context.ts";
import { startTable } from "./discover.ts";
import { keepWarm } from "./keep-warm.ts";
import { simulatedConfig } from "./simulated.ts";

export const START_HELP = `spillway start [options]

  --config <file>      default ./spillway.yaml if present; the whole text may come from SPILLWAY_CONFIG
  --host <address>     127.0.0.1
  --port <n>           8484
  --admin-port <n>     8485 (metrics and the admin API)
  --admin-host <addr>  127.0.0.1
  --authority <url>    join the gateway with this admin address: it keeps the budgets (SPILLWAY_AUTHORITY_TOKEN on both sides)
  --data-dir <folder>  SPILLWAY_DATA_DIR, else ./.spillway
  --drain <duration>   how long running streams may go on at shutdown (60s)
  --lease <duration>   how long what a killed process held waits for evidence before it is settled (10m)
  --tls-cert <file>, --tls-key <file>
  --max-in-flight <n>  2000
  --log text|json|off  text at a terminal, else json
  --request-log on|off one JSON line per request on stdout (on, except at a terminal)
`;

const OPTIONS = {
  config: { type: "string" },
  host: { type: "string", default: "127.0.0.1" },
  port: { type: "string", default: "8484" },
  "admin-port": { type: "string", default: "8485" },
  "admin-host": { type: "string", default: "127.0.0.1" },
  authority: { type: "string" },
  "data-dir": { type: "string" },
  drain: { type: "string", default: "60s" },
  lease: { type: "string", default: "10m" },
  "tls-cert": { type: "string" },
  "tls-key": { type: "string" },
  "max-in-flight": { type: "string", default: "2000" },
  log: { type: "string" },
  "request-log": { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

interface StartArgs {
  readonly config: string | null;
  readonly host: string;
  readonly port: number;
  readonly adminPort: number;
  readonly adminHost: string;
  readonly authority: string | null;
  readonly dataDir: string;
  readonly drainMs: number;
  readonly leaseMs: number;
  readonly tls: { readonly cert: string; readonly key: string } | null;
  readonly maxInFlight: number;
  readonly log: LogMode;
  readonly requestLog: boolean;
}

/** Run until a signal ends it. Resolves with the exit code. */
export async function runStart(args: readonly string[], context: CommandContext): Promise<number> {
  const parsed = readArgs(args, context);
  if (typeof parsed === "string") {
    const asked = parsed === START_HELP;
    (asked ? context.out : context.errors).write(parsed);
    return asked ? EXIT.ok : EXIT.usage;
  }
  keepWarm();
  let fleet: Fleet | null = null;
  try {
    const found = loadConfig({ configFile: parsed.config, env: context.env, cwd: context.cwd, providers: context.providers });
    if (!found.ok) {
      const errors = allErrors(found, context.catalogue, context.providers);
      for (const error of errors) context.errors.write(`${showError(error)}\n`);
      context.errors.write(`The gateway was not started: ${errors.length} error${errors.length === 1 ? "" : "s"} in the configuration.\n`);
      return EXIT.wrong;
    }
    for (const warning of found.warnings) context.errors.write(`warning: ${showError(warning)}\n`);
    for (const refusal of found.refusals) context.errors.write(`warning: ${showError(refusal)}\n`);
    let loaded: Extract<LoadedConfig, { ok: true }> = found;
    if (found.config.simulated) {
      fleet = await startFleet(simulatedFleet());
      loaded = simulatedConfig(found, fleet, context);
    }
    const gateway = await startGateway({ ...parsed, loaded, env: context.env, log: openLog(parsed.log), requestLog: parsed.requestLog ? (text) => context.out.write(text) : null, watch: true });
    context.out.write(`${startTable(gateway.snapshot(), context.providers, `${gateway.url}/v1`, [...gateway.managed.store.all("key")].length)}\n`);
    // Shown here once: what is kept is its hash, and no log sees it.
    if (gateway.adminToken !== null) context.out.write(`Admin token (shown once; spillway token rotate makes another): ${gateway.adminToken}\n`);
    context.out.write(`Listening on ${gateway.url} (admin ${gateway.adminUrl}/metrics). Data in ${parsed.dataDir}. Ctrl-C drains and stops.\n`);
    warnFewFiles(context);
    return await untilStopped(gateway);
  } catch (error) {
    if (!(error instanceof StartError) && !(error instanceof StorageError)) throw error;
    context.errors.write(`spillway: ${error.message}\n`);
    return EXIT.wrong;
  } finally {
    await fleet?.close();
  }
}

function untilStopped(gateway: Gateway): Promise<number> {
  return new Promise((resolve) => {
    let stopping = false;
    const stop = (): void => {
      if (stopping) {
        gateway.kill();
        resolve(EXIT.wrong);
        process.exit(EXIT.wrong);
      }
      stopping = true;
      process.stderr.write("Stopping: not ready from now on, no new requests in 5 s, then running streams are drained. The same signal again stops at once.\n");
      gateway.stop().then(() => resolve(EXIT.ok), (error: unknown) => {
        process.stderr.write(`spillway: stopping failed: ${String(error)}\n`);
        resolve(EXIT.wrong);
      });
    };
    process.on("SIGTERM", stop);
    process.on("SIGINT", stop);
    process.on("SIGHUP", () => void gateway.reload());
  });
}

function readArgs(args: readonly string[], context: CommandContext): StartArgs | string {
  let values;
  try {
    values = parseArgs({ args: [...args], options: OPTIONS, strict: true, allowPositionals: false }).values;
  } catch (error) {
    return `spillway: ${(error as Error).message}\n\n${START_HELP}`;
  }
  if (values.help === true) return START_HELP;
  const port = wholeNumber(values.port, 65_535);
  const adminPort = wholeNumber(values["admin-port"], 65_535);
  const maxInFlight = wholeNumber(values["max-in-flight"], 1_000_000);
  const drainMs = durationMs(values.drain);
  const leaseMs = durationMs(values.lease);
  if (leaseMs === null || leaseMs < 1_000) return `spillway: --lease must be a duration of at least 1s, such as 10m, not "${values.lease}"\n`;
  if (port === null) return `spillway: --port must be a number from 0 to 65535, not "${values.port}"\n`;
  if (adminPort === null) return `spillway: --admin-port must be a number from 0 to 65535, not "${values["admin-port"]}"\n`;
  if (maxInFlight === null || maxInFlight === 0) return `spillway: --max-in-flight must be a positive number, not "${values["max-in-flight"]}"\n`;
  if (drainMs === null) return `spillway: --drain must be a duration such as 60s, not "${values.drain}"\n`;
  const log = values.log ?? (process.stderr.isTTY ? "text" : "json");
  if (log !== "text" && log !== "json" && log !== "off") return `spillway: --log must be text, json or off, not "${log}"\n`;
  const requestLog = values["request-log"] ?? (process.stdout.isTTY ? "off" : "on");
  if (requestLog !== "on" && requestLog !== "off") return `spillway: --request-log must be on or off, not "${requestLog}"\n`;
  const tls = readTls(values["tls-cert"], values["tls-key"]);
  if (typeof tls === "string") return tls;
  return {
    config: values.config ?? null,
    host: values.host,
    port,
    adminPort,
    adminHost: values["admin-host"],
    authority: values.authority ?? null,
    dataDir: values["data-dir"] ?? context.env["SPILLWAY_DATA_DIR"] ?? "./.spillway",
    drainMs,
    leaseMs,
    tls,
    maxInFlight,
    log,
    requestLog: requestLog === "on",
  };
}

function readTls(certFile: string | undefined, keyFile: string | undefined): StartArgs["tls"] | string {
  if (certFile === undefined && keyFile === undefined) return null;
  if (certFile === undefined || keyFile === undefined) return "spillway: --tls-cert and --tls-key belong together\n";
  try {
    return { cert: readFileSync(certFile, "utf8"), key: readFileSync(keyFile, "utf8") };
  } catch (error) {
    return `spillway: the certificate or its key cannot be read: ${(error as Error).message}\n`;
  }
}

function wholeNumber(text: string, most: number): number | null {
  return /^\d{1,7}$/.test(text) && Number(text) <= most ? Number(text) : null;
}

function durationMs(text: string): number | null {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text);
  if (match === null) return null;
  const unit = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }[match[2] as "ms" | "s" | "m" | "h"];
  return Number(match[1]) * unit;
}

/** Each request in flight takes two sockets. */
function warnFewFiles(context: CommandContext): void {
  const limits = process.platform === "linux" ? readFileSync("/proc/self/limits", "utf8") : "";
  const soft = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Number.NaN);
  if (soft < 4_096) context.errors.write(`warning: only ${soft} files may be open (ulimit -n); 2,000 requests in flight need about 4,100.\n`);
}
