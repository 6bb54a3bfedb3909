/** `spillway simulate`: policies side by side over a simulated world, on virtual time. */
import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { decimal } from "../decide/contract/exact.ts";
import { chart } from "../sim/chart.ts";
import type { Report } from "../sim/report.ts";
import type { Simulation } from "../sim/run.ts";
import { OTHER_STRATEGIES, POLICIES, simulate } from "../sim/simulate.ts";
import { joinWorlds, readTraffic, readWorld, SpecError, type Source, type WorldSpec } from "../sim/spec.ts";
import type { PolicyKind } from "../sim/types.ts";
import { StorageError } from "../storage/errors.ts";
import { plainText } from "../wire/plain-text.ts";
import { EXIT, table, type CommandContext, type LineOutput } from "./context.ts";
import { isFileError, unwritable } from "./output-file.ts";
import { counted, fitJson, LedgerFit, ledgerFolderIn, tellFit } from "./simulate-ledger.ts";
import { policyOfRoute, routeToPlay, simulationOf, type RouteToPlay } from "./simulate-route.ts";

const HELP = `spillway simulate --world FILE --traffic FILE [--config FILE --route NAME] [--seed N] [--policies a,b] [--json] [--chart FILE.svg]
What a route would come to: the deciding code of this gateway, and of others, over simulated providers on virtual time.
--world       how each deployment answers, fails and costs (docs/simulator.md); ledger:FOLDER: fitted from the requests of a data
              folder. More than once: what a later one says of a deployment counts
--traffic     when requests come, and how large they are; ledger:FOLDER: as they came, those of --route where it is given
--config      take strategy, candidates, prices, contracts and objectives of --route from a configuration
--at          when it begins, for prices and contracts, such as 2026-11-01 (the day that is on, UTC)
--policies    ${[...POLICIES.keys()].join(", ")} (all); and
              ${[...OTHER_STRATEGIES.keys()].join(", ")}
--seed        another run of the same kind; the same seed gives the same bytes (1)
--save-world  write the world as it was fitted to a file, to be read and changed; then --traffic may be left out
--json        one JSON object a policy; --chart: the time series as an SVG
`;
const DAY_MS = 86_400_000;

interface Flags {
  readonly worlds: readonly string[];
  readonly traffic: string | null;
  readonly config: { readonly file: string; readonly route: string } | null;
  readonly seed: number;
  readonly atMs: number;
  /** null: those that fit. */
  readonly policies: readonly string[] | null;
  readonly chart: string | null;
  readonly saveWorld: string | null;
  readonly json: boolean;
}

/** Runs the command; gives the exit code. */
export function runSimulate(args: readonly string[], context: CommandContext, wallMs: number): number {
  const flags = readFlags(args, context, wallMs);
  if (typeof flags === "number") return flags;
  try {
    return run(flags, context);
  } catch (error) {
    if (!(error instanceof SpecError) && !(error instanceof StorageError) && !isFileError(error)) throw error;
    return wrong(context, error.message, EXIT.wrong);
  }
}

function run(flags: Flags, context: CommandContext): number {
  const fits = new Map<string, LedgerFit>();
  const fitOf = (folder: string): LedgerFit => fits.get(folder) ?? fits.set(folder, new LedgerFit(folder)).get(folder) as LedgerFit;
  const folders = [...flags.worlds, ...(flags.traffic === null ? [] : [flags.traffic])].flatMap((given) => ledgerFolderIn(given, context) ?? []);
  for (const fit of new Set(folders.map(fitOf))) {
    if (flags.json) context.out.write(`${JSON.stringify({ fitted: fitJson(fit) })}\n`);
    else tellFit(fit, context.out);
  }
  const worldSource = (given: string): Source => {
    const folder = ledgerFolderIn(given, context);
    return folder === null ? source(given, context) : { text: fitOf(folder).world(), path: given };
  };
  if (flags.saveWorld !== null) {
    const given = flags.worlds.find((one) => ledgerFolderIn(one, context) !== null);
    if (given === undefined) return wrong(context, "--save-world writes what is fitted: give --world ledger:FOLDER", EXIT.usage);
    writeFileSync(resolve(context.cwd, flags.saveWorld), worldSource(given).text);
  }
  if (flags.traffic === null) return EXIT.ok;
  const toPlay = flags.config === null ? null : routeToPlay(flags.config.file, flags.config.route, folders[0] ?? null, flags.atMs, context);
  const traffic = trafficOf(flags.traffic, toPlay, fitOf, context, flags.json ? context.errors : context.out);
  const world = joinWorlds(flags.worlds.map((given) => readWorld(worldSource(given), traffic.durationMs)));
  const lacks = new Map([...fits.values()].flatMap(({ deployments }) => deployments.flatMap(({ id, lacks: why }) => (why === null ? [] : [[id, why] as const]))));
  const simulation: Simulation = { ...(toPlay === null ? alone(world) : simulationOf(toPlay, world, flags.atMs, lacks)), traffic, seed: flags.seed, spanMs: spanOf(traffic.durationMs) };
  const policies = policiesOf(flags.policies, toPlay);
  for (const note of toPlay?.notes ?? []) (flags.json ? context.errors : context.out).write(`  ${plainText(note)}\n`);
  const reports = simulate(simulation, policies);
  if (flags.json) for (const report of reports) context.out.write(`${JSON.stringify(report)}\n`);
  else tell(reports, simulation, toPlay, context);
  if (flags.chart !== null) writeFileSync(resolve(context.cwd, flags.chart), chart(reports));
  return EXIT.ok;
}

function readFlags(args: readonly string[], context: CommandContext, wallMs: number): Flags | number {
  let values;
  try {
    const text = { type: "string" } as const;
    const options = { world: { type: "string", multiple: true }, traffic: text, config: text, route: text, seed: text, at: text, policies: text, chart: text, "save-world": text, json: { type: "boolean" }, help: { type: "boolean", short: "h" } } as const;
    values = parseArgs({ args: [...args], options }).values;
  } catch (error) {
    return wrong(context, `${(error as Error).message}\n\n${HELP}`, EXIT.usage);
  }
  if (values.help === true) {
    context.out.write(HELP);
    return EXIT.ok;
  }
  const { world, traffic, config, route, chart: chartFile, policies, "save-world": saveWorld } = values;
  const seed = Number(values.seed ?? "1");
  const atMs = values.at === undefined ? Math.floor(wallMs / DAY_MS) * DAY_MS : Date.parse(values.at);
  if (world === undefined || (traffic === undefined && saveWorld === undefined)) return wrong(context, `--world and --traffic are needed\n\n${HELP}`, EXIT.usage);
  if (!Number.isSafeInteger(seed)) return wrong(context, `--seed takes a whole number, got "${values.seed ?? ""}"`, EXIT.usage);
  if (!Number.isFinite(atMs)) return wrong(context, `--at takes a date such as 2026-11-01, got "${values.at ?? ""}"`, EXIT.usage);
  if ((config === undefined) !== (route === undefined)) return wrong(context, "--config and --route go together", EXIT.usage);
  const names = policies?.split(",") ?? null;
  const unknown = names?.find((name) => !POLICIES.has(name) && !OTHER_STRATEGIES.has(name));
  if (unknown !== undefined) return wrong(context, `there is no policy "${unknown}": ${[...POLICIES.keys(), ...OTHER_STRATEGIES.keys()].join(", ")}`, EXIT.usage);
  const twice = names?.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined) return wrong(context, `--policies names "${twice}" twice: one seed gives one result`, EXIT.usage);
  for (const file of [chartFile, saveWorld]) {
    const noPlace = file === undefined ? null : unwritable(resolve(context.cwd, file));
    if (noPlace !== null) return wrong(context, noPlace, EXIT.wrong);
  }
  return {
    worlds: world, traffic: traffic ?? null, config: config === undefined || route === undefined ? null : { file: config, route }, seed, atMs,
    policies: names, chart: chartFile ?? null, saveWorld: saveWorld ?? null, json: values.json === true,
  };
}

function trafficOf(given: string, toPlay: RouteToPlay | null, fitOf: (folder: string) => LedgerFit, context: CommandContext, notes: LineOutput): Simulation["traffic"] {
  const folder = ledgerFolderIn(given, context);
  if (folder === null) return readTraffic(source(given, context));
  const { traffic, guessed } = fitOf(folder).traffic(toPlay?.route.name ?? null);
  if (guessed > 0) notes.write(`  ${counted(guessed, "request")} without a whole answer, so what is missing of a size is that of the one before\n`);
  return traffic;
}

function source(file: string, { cwd }: CommandContext): Source {
  const path = resolve(cwd, file);
  try {
    return { text: readFileSync(path, "utf8"), path };
  } catch (error) {
    throw new SpecError((error as Error).message, { cause: error });
  }
}

/** The world as it stands, where no route is played. */
function alone(world: WorldSpec): Pick<Simulation, "deployments" | "objectives" | "deadlineMs"> {
  if (world.unpriced.length > 0) throw new SpecError(`without --config each deployment needs a price: ${world.unpriced.join(", ")}`);
  return { deployments: world.deployments, objectives: world.objectives, ...(world.deadlineMs === undefined ? {} : { deadlineMs: world.deadlineMs }) };
}

/** About 240 rows, of a length that an hour is made of. */
function spanOf(durationMs: number): number {
  return [10_000, 60_000, 300_000, 900_000].find((spanMs) => durationMs / spanMs <= 240) ?? 3_600_000;
}

/** By their names; of a route the one that it has first, and each strategy once. */
function policiesOf(names: readonly string[] | null, toPlay: RouteToPlay | null): readonly PolicyKind[] {
  const usual = toPlay === null ? [...POLICIES.keys()] : ["spillway", ...["balanced", "priority"].filter((one) => one !== toPlay.route.strategy).map((one) => `spillway-${one}`), ...[...POLICIES.keys()].filter((one) => !one.startsWith("spillway"))];
  return (names ?? usual).map((name) => (toPlay === null ? null : policyOfRoute(name, toPlay)) ?? ((POLICIES.get(name) ?? OTHER_STRATEGIES.get(name)) as PolicyKind));
}

function tell(reports: readonly Report[], { deployments, seed }: Simulation, toPlay: RouteToPlay | null, { out }: CommandContext): void {
  const share = (value: number, digits: number): string => `${(100 * value).toFixed(digits)} %`;
  const seconds = (ms: number): string => `${(ms / 1_000).toFixed(2)} s`;
  const objectives = reports[0]?.objectives ?? [];
  const rescues = reports.some(({ rescued }) => rescued > 0);
  out.write(`${counted(reports[0]?.requests ?? 0, "request")}, ${counted(deployments.length, "deployment")}, seed ${seed}${toPlay === null ? "" : plainText(`; route ${toPlay.route.name}, strategy ${toPlay.route.strategy}`)}\n`);
  out.write(table([
    ["policy", "answered", "errors", "broken", ...(rescues ? ["rescued"] : []), ...objectives.map(({ name, target }) => `${name} (${decimal(BigInt(Math.round(target * 1e9)), 7)} %)`), "usd/1,000", "extra", "worst hour", "p50", "p99"],
    ...reports.map((report) => [
      report.policy, shareOf(report.requests - report.failed - report.broken, report.requests), String(report.failed), String(report.broken), ...(rescues ? [String(report.rescued)] : []),
      ...report.objectives.map(({ attainment, judged, met }) => (judged === 0 ? "-" : `${shareOf(Math.round(attainment * judged), judged)} ${met ? "met" : "missed"}`)),
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

/** In percent, cut off after the third place as reports do: what misses a target is never shown as it. */
function shareOf(part: number, whole: number): string {
  return `${decimal(whole === 0 ? 0n : (BigInt(part) * 100_000n) / BigInt(whole), 3, 3)} %`;
}

function wrong({ errors }: CommandContext, message: string, code: number): number {
  errors.write(`spillway: ${message}\n`);
  return code;
}
