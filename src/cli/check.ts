/** `spillway check`: everything that is wrong with a configuration, or what it amounts to, with each step's latest start. */
import { parseArgs } from "node:util";
import { nothingCarries } from "../compose/scope-names.ts";
import { showPath } from "../config/document.ts";
import type { ConfigError } from "../config/load.ts";
import { allErrors, inOrder, problemErrors } from "../config/problems.ts";
import { showError } from "../config/report.ts";
import { buildSnapshot, type Snapshot } from "../config/snapshot.ts";
import { loadConfig, type LoadedConfig } from "../config/source.ts";
import { MAX_ATTEMPTS, stepTimes } from "../decide/clocks.ts";
import type { ReliefClass } from "../decide/deployment.ts";
import type { Objective } from "../decide/objective/types.ts";
import { routeDoubts } from "../decide/route-doubts.ts";
import { EXIT, showMs, table, type CommandContext } from "./context.ts";
import { objectiveText, percentText } from "./promise-text.ts";
import { SIMULATED_NOTE, withSimulated } from "./simulated.ts";

const HELP = `spillway check [--config FILE] [--json]
Validates the configuration and prints the latest start of each step of each route.
Exit code 0: good; 1: refused, with every reason; 2: wrong usage.
`;

/** What became of a configuration that was read, resolved against the catalogue and judged. */
export type CheckedConfig =
  | { readonly ok: true; readonly snapshot: Snapshot; readonly warnings: readonly ConfigError[] }
  | { readonly ok: false; readonly errors: readonly ConfigError[] };

/** Run the command; gives the exit code. */
export function runCheck(args: readonly string[], context: CommandContext): number {
  const flags = readFlags(args, context);
  if (typeof flags === "number") return flags;
  const checked = checkConfig(withSimulated(loadConfig({ configFile: flags.config ?? null, ...context }), context), context);
  if (!checked.ok) {
    for (const error of checked.errors) context.errors.write(flags.json ? `${JSON.stringify({ kind: "error", ...error })}\n` : `${showError(error)}\n`);
    if (!flags.json) context.errors.write(`${checked.errors.length === 1 ? "1 error" : `${checked.errors.length} errors`}\n`);
    return EXIT.wrong;
  }
  context.out.write(flags.json ? jsonReport(checked.snapshot, checked.warnings) : textReport(checked.snapshot, checked.warnings));
  return EXIT.ok;
}

/** Resolve a loaded configuration against the catalogue. What a start would refuse and what only a check refuses are errors. */
export function checkConfig(loaded: LoadedConfig, context: Pick<CommandContext, "providers" | "catalogue">): CheckedConfig {
  if (!loaded.ok) return { ok: false, errors: allErrors(loaded, context.catalogue, context.providers) };
  const snapshot = buildSnapshot(loaded.config, context.catalogue, context.providers);
  const errors = [...loaded.refusals, ...problemErrors(snapshot.findings, loaded)];
  if (errors.length > 0) return { ok: false, errors: inOrder(errors) };
  return { ok: true, snapshot, warnings: inOrder([...loaded.warnings, ...carriedByNothing(snapshot, loaded), ...doubtsOf(snapshot, loaded)]) };
}

/** Budgets, limits and objectives whose scopes nothing can carry: they bind and watch nobody, which nobody would notice. */
function carriedByNothing(snapshot: Snapshot, { config, locate }: Extract<LoadedConfig, { ok: true }>): readonly ConfigError[] {
  const told = new Map<string, ConfigError>();
  for (const [section, list] of [["budgets", config.budgets], ["limits", config.limits], ["objectives", config.objectives]] as const) {
    for (const { id, scopes } of list) {
      const path = [section, id.replace(/^config:/, "").replace(/#.*$/, "")];
      for (const scope of scopes) {
        const why = nothingCarries(snapshot, scope);
        if (why !== null) told.set(`${showPath(path)} ${scope}`, { file: config.source, ...locate(path, "value"), key: showPath(path), expected: "scopes that a call can carry", found: scope, hint: `there is ${why}` });
      }
    }
  }
  return [...told.values()];
}

/** Routes that can be read, and will hardly do what they are for. */
function doubtsOf({ directory }: Snapshot, { config, locate }: Extract<LoadedConfig, { ok: true }>): readonly ConfigError[] {
  return config.routes.flatMap(({ name }) => {
    const found = directory.resolve(name);
    if (found.kind !== "route" || found.route.name !== name) return [];
    return routeDoubts(found.route, config.limits).map(({ path, ...told }): ConfigError => {
      const whole = ["routes", name, ...path];
      return { file: config.source, ...locate(whole, "key"), key: showPath(whole), ...told };
    });
  });
}

function readFlags(args: readonly string[], { out, errors }: CommandContext): { config: string | undefined; json: boolean } | number {
  try {
    const { values } = parseArgs({ args: [...args], options: { config: { type: "string" }, json: { type: "boolean" }, help: { type: "boolean", short: "h" } } });
    if (values.help !== true) return { config: values.config, json: values.json === true };
    out.write(HELP);
    return EXIT.ok;
  } catch (error) {
    errors.write(`${error instanceof Error ? error.message : String(error)}\n${HELP}`);
    return EXIT.usage;
  }
}

interface StepLine {
  readonly step: number;
  readonly deployment: string;
  /** ms from the request's start; null: only in place of an earlier one. */
  readonly latestStartMs: number | null;
}

interface RouteSteps {
  readonly route: string;
  readonly strategy: string;
  readonly deadlineMs: number;
  readonly steps: readonly StepLine[];
  /** Asked only once others refuse the request for this reason. */
  readonly heldBack: readonly { readonly deployment: string; readonly after: ReliefClass }[];
  /** Beside the others: on trial, or of whom copies are made. */
  readonly tried: readonly { readonly deployment: string; readonly as: "canary" | "mirror"; readonly share: number }[];
  /** What is promised of it. */
  readonly promises: readonly Objective[];
  /** Asked in place of all of them once a budget is nearly spent. */
  readonly cheaper: readonly string[];
}

/** The steps of each route in order. Beyond the third a candidate only stands in for one that cannot be used. */
export function routeSteps(snapshot: Snapshot): readonly RouteSteps[] {
  return snapshot.config.routes.map((route) => {
    const { latestStartsMs } = stepTimes(route.clocks, route.candidates.length);
    const steps = route.candidates.map(({ use }, index) => ({ step: index + 1, deployment: use, latestStartMs: latestStartsMs[index] ?? null }));
    const heldBack = [...route.onContextWindow.map(({ use }) => ({ deployment: use, after: "context" as const })), ...route.onContentPolicy.map(({ use }) => ({ deployment: use, after: "content_policy" as const }))];
    const tried = (["canary", "mirror"] as const).flatMap((as) => (route[as] === undefined ? [] : [{ deployment: route[as].use, as, share: route[as].share }]));
    return { route: route.name, strategy: route.strategy, deadlineMs: route.clocks.deadlineMs, steps, heldBack, tried, promises: route.objectives, cheaper: route.cheaper.map(({ use }) => use) };
  });
}

function textReport(snapshot: Snapshot, warnings: readonly ConfigError[]): string {
  const { config } = snapshot;
  const counts = [
    counted(config.keys.length, "caller key"),
    counted(config.accounts.length, "account"),
    counted(config.routes.length, "route"),
    counted(config.aliases.length, "alias", "aliases"),
    counted(snapshot.deployments.size, "callable deployment"),
  ];
  let text = `${config.source}: good. ${counts.join(", ")}.\n`;
  if (config.simulated) text += `${SIMULATED_NOTE}\n`;
  for (const { route, strategy, deadlineMs, steps, heldBack, tried, promises, cheaper } of routeSteps(snapshot)) {
    text += `\nroute ${route}: ${strategy}, deadline ${showMs(deadlineMs)}\n`;
    const inOrder = steps.map((line) => [String(line.step), line.deployment, line.latestStartMs === null ? `stands in: at most ${MAX_ATTEMPTS} attempts` : `starts at ${showMs(line.latestStartMs)} at the latest`]);
    const instead = cheaper.map((deployment) => ["-", deployment, "instead, once a budget with cheaper_at is spent that far"]);
    const held = heldBack.map((one) => ["-", one.deployment, one.after === "context" ? "where the prompt does not fit the others" : "where a content policy refuses"]);
    const trials = tried.map((one) => ["-", one.deployment, one.as === "canary" ? `canary: first for ${percentText(one.share)} of the requests` : `mirror: a copy of ${percentText(one.share)} of the requests`]);
    text += table([...inOrder, ...instead, ...held, ...trials]);
    text += promises.map((one) => `  promises ${objectiveText(one)}\n`).join("");
  }
  for (const { scopes, objectives } of config.objectives) text += `\n${scopes.join(" and ")}\n${objectives.map((one) => `  promises ${objectiveText(one)}\n`).join("")}`;
  const unmetered = config.accounts.filter((account) => account.unmetered).map((account) => account.name);
  if (unmetered.length > 0) text += `\nunmetered, but for models with a price (their cost is recorded as unknown): ${unmetered.join(", ")}\n`;
  if (warnings.length > 0) text += `\nwarnings\n${warnings.map((warning) => `${showError(warning)}\n`).join("")}`;
  return text;
}

function jsonReport(snapshot: Snapshot, warnings: readonly ConfigError[]): string {
  const { config } = snapshot;
  const summary = {
    kind: "summary", source: config.source, keys: config.keys.length, accounts: config.accounts.length, routes: config.routes.length,
    aliases: config.aliases.length, deployments: snapshot.deployments.size, ...(config.simulated ? { simulated: true } : {}),
    unmetered: config.accounts.filter((account) => account.unmetered).map((account) => account.name),
  };
  const routes = routeSteps(snapshot).map(({ route, strategy, deadlineMs, steps, heldBack, tried, promises, cheaper }) => ({
    kind: "route", route, strategy, deadline_ms: deadlineMs,
    steps: steps.map((line) => ({ step: line.step, deployment: line.deployment, latest_start_ms: line.latestStartMs })),
    ...(cheaper.length === 0 ? {} : { cheaper }),
    ...(heldBack.length === 0 ? {} : { held_back: heldBack }),
    ...(tried.length === 0 ? {} : { tried }),
    ...(promises.length === 0 ? {} : { promises: promises.map(objectiveText) }),
  }));
  const lines = [summary, ...routes, ...warnings.map((warning) => ({ kind: "warning", ...warning }))];
  return lines.map((line) => `${JSON.stringify(line)}\n`).join("");
}

function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
