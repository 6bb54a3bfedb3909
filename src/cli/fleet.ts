/** `spillway fleet`: simulated providers on loopback ports, for trying things out. */
import { parseArgs } from "node:util";
import { loadFleetConfig, serveControl, simulatedFleet, startFleet } from "../fleet/index.ts";

/** Where a command writes. */
export interface FleetOutput {
  write(text: string): unknown;
}

const HELP = `spillway fleet [--config fleet.yaml] [--control-port N] [--control-host H]

Serves simulated providers on loopback ports until it is interrupted. Without --config: four small ones.
  --config         which providers, how fast, what goes wrong (docs/fleet.md)
  --control-port   serves the bill, the calls, scripts and scenarios over HTTP (0: any free port; default: off)
  --control-host   address of the control port (127.0.0.1)
`;

/** Runs until SIGINT, SIGTERM or `stop`. Resolves to the exit code. */
export async function runFleet(args: readonly string[], out: FleetOutput, stop?: AbortSignal): Promise<number> {
  let values;
  try {
    values = parseArgs({
      args: [...args],
      options: {
        config: { type: "string" }, "control-port": { type: "string" }, "control-host": { type: "string", default: "127.0.0.1" },
        help: { type: "boolean", short: "h" },
      },
    }).values;
  } catch (error) {
    out.write(`${String(error instanceof Error ? error.message : error)}\n\n${HELP}`);
    return 2;
  }
  if (values.help) {
    out.write(HELP);
    return 0;
  }
  const controlPort = values["control-port"] === undefined ? undefined : Number(values["control-port"]);
  if (controlPort !== undefined && !(Number.isInteger(controlPort) && controlPort >= 0 && controlPort < 65536)) {
    out.write(`--control-port wants a number from 0 to 65535, found ${values["control-port"]}\n`);
    return 2;
  }
  try {
    return await serve(values.config, controlPort, values["control-host"], out, stop);
  } catch (error) {
    out.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}

async function serve(
  path: string | undefined, controlPort: number | undefined, controlHost: string, out: FleetOutput, stop: AbortSignal | undefined,
): Promise<number> {
  const fleet = await startFleet(path === undefined ? simulatedFleet() : loadFleetConfig(path));
  try {
    for (const provider of fleet.providers) {
      out.write(`${provider.name.padEnd(20)} ${provider.dialect.padEnd(19)} ${provider.baseUrl}  ${provider.models.join(", ")}\n`);
    }
    const control = controlPort === undefined ? undefined : await serveControl(fleet, { host: controlHost, port: controlPort });
    if (control) out.write(`${"control".padEnd(20)} ${"".padEnd(19)} ${control.url}  /bill /calls /script /scenario /reset /healthz\n`);
    try {
      await interrupted(stop);
    } finally {
      await control?.close();
    }
  } finally {
    await fleet.close();
  }
  const rows = fleet.bill();
  const nanoUsd = rows.reduce((sum, row) => sum + row.cost_nano_usd, 0);
  out.write(`${rows.length} calls, ${(nanoUsd / 1e9).toFixed(9)} USD\n`);
  return 0;
}

function interrupted(stop: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    if (stop?.aborted) return resolve();
    const end = (): void => {
      process.off("SIGINT", end);
      process.off("SIGTERM", end);
      resolve();
    };
    process.on("SIGINT", end);
    process.on("SIGTERM", end);
    stop?.addEventListener("abort", end, { once: true });
  });
}
