/** `spillway simulate`: policies side by side over a simulated world, on virtual time. */
import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { loadConfig } from "../config/source.ts";
import { expectedNanoUsd } from "../decide/balance/expected.ts";
import { ordinary, type Route } from "../decide/deployment.ts";
import { chart } from "../sim/chart.ts";
import type { Report } from "../sim/report.ts";
import type { Simulation } from "../sim/run.ts";
import { POLICIES, simulate } from "../sim/simulate.ts";
import { readTraffic, readWorld, SpecError, type Source, type WorldSpec } from "../sim/spec.ts";
import { spillway } from "../sim/spillway-policy.ts";
import type { PolicyKind } from "../sim/types.ts";
import { checkConfig } from "./check.ts";
import { showError } from "../config/report.ts";
import { EXIT, table, type CommandContext } from "./context.ts";

const HELP = `spillway simulate --world FILE --traffic FILE [--config FILE --route NAME] [--seed N] [--policies a,b] [--json] [--chart FILE.svg]
What a route would come to: the deciding code of this gateway, and of others, over simulated providers on virtual time.
--world     how each deployment answers, fails and costs (docs/simulator.md)
--traffic   when requests come, and how large they are
--config    take candidates, prices and objectives of --route from a configuration
--policies  ${[...POLICIES.keys()].join(", ")} (all)
--seed      another run of the same kind; the same seed gives the same bytes (1)
--json      one JSON object a policy; --chart: the time series as an SVG
`;
const PRICE_TOKENS = 1_000;

/** Runs the command; gives the exit code. */
export function runSimulate(args: readonly string[], context: CommandContext, wallMs: number): number {
  let values;
  try {
    const text = { type: "string" } as const;
    values = parseArgs({ args: [...args], options: { world: text, traffic: text, config: text, route: text, seed: text, policies: text, chart: text, json: { type: "boolean" }, help: { type: "boolean", short: "h" } } }).values;
  } catch (error) {
    return wrong(context, `${(error as Error).message}\n\n${HELP}`, EXIT.usage);
  }
  if (values.help === true) {
    context.out.write(HELP);
    return EXIT.ok;
  }
  const seed = Number(values.seed ?? "1");
  if (values.world === undefined || values.traffic === undefined) return wrong(context, `--world and --traffic are needed\n\n${HELP}`, EXIT.usage);
  if (!Number.isSafeInteger(seed)) return wrong(context, `--seed takes a whole number, got "${values.seed ?? ""}"`, EXIT.usage);
  if ((values.config === undefined) !== (values.route === undefined)) return wrong(context, "--config and --route go together", EXIT.usage);
  const names = values.policies?.split(",") ?? [...POLICIES.keys()];
  const unknown = names.find((name) => !POLICIES.has(name));
  if (unknown !== undefined) return wrong(context, `there is no policy "${unknown}": ${[...POLICIES.keys()].join(", ")}`, EXIT.usage);
  try {
    const traffic = readTraffic(source(values.traffic, context));
    const world = readWorld(source(values.world, context), traffic.durationMs);
    const route = values.config === undefined || values.route === undefined ? null : routeOf(values.config, values.route, context);
    const simulation = joined(world, traffic, route, seed, wallMs);
    const reports = simulate(simulation, names.map((name) => policyOf(name, route)));
    if (values.json === true) for (const report of reports) context.out.write(`${JSON.stringify(report)}\n`);
    else tell(reports, simulation, context);
    if (values.chart !== undefined) writeFileSync(resolve(context.cwd, values.chart), chart(reports));
    return EXIT.ok;
  } catch (error) {
    if (!(error instanceof SpecError)) throw error;
    return wrong(context, error.message, EXIT.wrong);
  }
}

function source(file: string, { cwd }: CommandContext): Source {
  const path = resolve(cwd, file);
  try {
    return { text: readFileSync(path, "utf8"), path: file.startsWith("/") ? path : resolve(cwd, file) };
  } catch (error) {
    throw new SpecError((error as Error).message, { cause: error });
  }
}

function routeOf(config: string, name: string, context: CommandContext): Route {
  const checked = checkConfig(loadConfig({ configFile: config, ...context }), context);
  if (!checked.ok) throw new SpecError(checked.errors.map(showError).join("\n"));
  const found = checked.snapshot.directory.resolve(name);
  if (found.kind !== "route") throw new SpecError(`${config}: there is no route "${name}"`);
  return found.route;
}

/** The route's candidates, prices and objectives over the world's behaviour; without a route the world's own. */
function joined(world: WorldSpec, traffic: Simulation["traffic"], route: Route | null, seed: number, wallMs: number): Simulation {
  const spanMs = spanOf(traffic.durationMs);
  const deadlineMs = world.deadlineMs ?? route?.clocks.deadlineMs;
  const more = { traffic, seed, spanMs, ...(deadlineMs === undefined ? {} : { deadlineMs }) };
  if (route === null) {
    if (world.unpriced.length > 0) throw new SpecError(`without --config each deployment needs a price: ${world.unpriced.join(", ")}`);
    return { deployments: world.deployments, objectives: world.objectives, ...more };
  }
  const deployments = ordinary(route.candidates).map(({ deployment: { id, pricing } }) => {
    const behaviour = world.deployments.find((one) => one.id === id);
    if (behaviour === undefined) throw new SpecError(`the world says nothing of "${id}", a candidate of route "${route.name}"`);
    if (!world.unpriced.includes(id)) return behaviour;
    const input = expectedNanoUsd(pricing, PRICE_TOKENS, 0, wallMs);
    const both = expectedNanoUsd(pricing, PRICE_TOKENS, PRICE_TOKENS, wallMs);
    if (input === null || both === null) throw new SpecError(`no price is known of "${id}": give it one in the world`);
    return { ...behaviour, price: { inputNanoUsdPerToken: input / PRICE_TOKENS, outputNanoUsdPerToken: (both - input) / PRICE_TOKENS, requestNanoUsd: 0 } };
  });
  return { deployments, objectives: route.objectives ?? world.objectives, ...more };
}

/** About 240 rows, of a length that an hour is made of. */
function spanOf(durationMs: number): number {
  return [10_000, 60_000, 300_000, 900_000].find((spanMs) => durationMs / spanMs <= 240) ?? 3_600_000;
}

function policyOf(name: string, route: Route | null): PolicyKind {
  if (name === "spillway" && route?.terms !== undefined) return spillway({ strategy: "balanced", terms: route.terms });
  return POLICIES.get(name) as PolicyKind;
}

function tell(reports: readonly Report[], { deployments, seed }: Simulation, { out }: CommandContext): void {
  const share = (value: number, digits = 3): string => `${(100 * value).toFixed(digits)} %`;
  const seconds = (ms: number): string => `${(ms / 1_000).toFixed(2)} s`;
  const objectives = reports[0]?.objectives ?? [];
  out.write(`${reports[0]?.requests ?? 0} requests, ${deployments.length} deployments, seed ${seed}\n`);
  out.write(table([
    ["policy", "answered", "errors", "broken", ...objectives.map(({ name, target }) => `${name} (${share(target, 2)})`), "usd/1,000", "extra", "worst hour", "p50", "p99"],
    ...reports.map((report) => [
      report.policy, share(report.answered), String(report.failed), String(report.broken),
      ...report.objectives.map(({ attainment, met }) => `${share(attainment)} ${met ? "met" : "missed"}`),
      report.costPerThousandUsd.toFixed(4), share(report.extraShare, 2), share(report.worstHourExtraShare, 1), seconds(report.firstTokenMs.p50), seconds(report.firstTokenMs.p99),
    ]),
  ]));
  const incidents = reports[0]?.incidents ?? [];
  if (incidents.length === 0) return;
  out.write("\n");
  out.write(table([
    ["incident", "deployment", "from", "minutes", "policy", "requests", "errors", "broken", "missed", "calls there", "failures", "extra"],
    ...incidents.flatMap((incident, i) => reports.map((report, at) => {
      const one = report.incidents[i] as Report["incidents"][number];
      const name = at === 0 ? [incident.label, incident.deployment, `${(incident.fromMs / 3_600_000).toFixed(2)} h`, ((incident.toMs - incident.fromMs) / 60_000).toFixed(1)] : ["", "", "", ""];
      return [...name, report.policy, String(one.requests), String(one.failed), String(one.broken), String(one.missed), String(one.callsThere), String(one.failuresThere), String(one.extraCalls)];
    })),
  ]));
}

function wrong({ errors }: CommandContext, message: string, code: number): number {
  errors.write(`spillway: ${message}\n`);
  return code;
}
