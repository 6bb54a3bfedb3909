/** The fleet over HTTP: read the bill and the calls, change what goes wrong. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { z } from "zod";
import { billCsv } from "./bill-csv.ts";
import type { Fleet } from "./fleet.ts";
import { ruleSchema } from "./fault.ts";
import { checked } from "./findings.ts";
import { scenarioSchema } from "./scenario.ts";

export interface FleetControl {
  readonly port: number;
  readonly url: string;
  close(): Promise<void>;
}

const TITLE = "The body";
const scriptSchema = z.strictObject({ provider: z.string(), rules: z.array(ruleSchema) });
const playSchema = z.strictObject({
  provider: z.string(),
  scenario: scenarioSchema,
  time_scale: z.number().positive().default(1),
  start_at_ms: z.number().nonnegative().default(0),
});
const resetSchema = z.strictObject({ provider: z.string().optional() });

/** Serves the control port of a fleet. It has no key: keep it on loopback. */
export async function serveControl(fleet: Fleet, options: { host?: string; port?: number } = {}): Promise<FleetControl> {
  const host = options.host ?? "127.0.0.1";
  const server = createServer((req, res) => {
    answer(fleet, req, res).catch((error: unknown) => {
      send(res, 400, { error: error instanceof z.ZodError ? z.prettifyError(error) : String(error) });
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port ?? 0, host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: `http://${host}:${port}`,
    close: () => new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    }),
  };
}

async function answer(fleet: Fleet, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const url = new URL(req.url ?? "/", "http://control");
  const since = Number(url.searchParams.get("since") ?? 0);
  switch (`${req.method} ${url.pathname}`) {
    case "GET /healthz": return send(res, 200, { ok: true, providers: fleet.providers, refused_connections: fleet.refusedConnections() });
    case "GET /bill":
      if (url.searchParams.get("format") !== "csv") return sendRows(res, fleet.bill(since), url);
      return void res.writeHead(200, { "content-type": "text/csv; charset=utf-8" }).end(billCsv(fleet.bill(since).filter((row) => row.provider === (url.searchParams.get("provider") ?? row.provider))));
    case "GET /calls": return sendRows(res, fleet.calls(since).map((call) => ({ ...call, url: hideKey(call.url), headers: hideCredentials(call.headers) })), url);
    case "POST /script": {
      const { provider, rules } = checked(scriptSchema, await readJson(req), TITLE);
      await fleet.script(provider, rules);
      return send(res, 200, { ok: true });
    }
    case "POST /scenario": {
      const { provider, scenario, time_scale, start_at_ms } = checked(playSchema, await readJson(req), TITLE);
      await fleet.play(provider, scenario, { timeScale: time_scale, startAtMs: start_at_ms });
      return send(res, 200, { ok: true });
    }
    case "POST /batches/end": {
      const { provider } = resetSchema.parse((await readJson(req)) ?? {});
      fleet.endBatches(provider);
      return send(res, 200, { ok: true });
    }
    case "POST /reset": {
      const { provider } = checked(resetSchema, (await readJson(req)) ?? {}, TITLE);
      await fleet.reset(provider);
      return send(res, 200, { ok: true });
    }
    default: return send(res, 404, { error: "GET /healthz, /bill, /calls; POST /script, /scenario, /batches/end, /reset" });
  }
}

/** A JSON array, or JSON lines with `?format=lines`. */
function sendRows(res: ServerResponse, rows: readonly object[], url: URL): void {
  if (url.searchParams.get("format") !== "lines") return send(res, 200, rows);
  res.writeHead(200, { "content-type": "application/x-ndjson" }).end(rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
}

function send(res: ServerResponse, status: number, value: unknown): void {
  res.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
}

const CREDENTIALS = new Set(["authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie"]);

function hideCredentials(headers: Readonly<Record<string, string | string[] | undefined>>): object {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, CREDENTIALS.has(name) ? "(hidden)" : value]));
}

function hideKey(url: string): string {
  return url.replace(/([?&]key=)[^&]*/, "$1(hidden)");
}

const MAX_BYTES = 8 * 1024 * 1024;

async function readJson(req: IncomingMessage): Promise<unknown> {
  let text = "";
  for await (const chunk of req as AsyncIterable<Buffer>) {
    text += chunk.toString("utf8");
    if (text.length > MAX_BYTES) throw new Error("the body is too large");
  }
  return text === "" ? undefined : JSON.parse(text);
}
