/** A configured route as it is simulated: its candidates, strategy, clocks, prices and contracts, over the behaviour that a world gives. */
import { existsSync } from "node:fs";
import { healthSettingsOf } from "../compose/route-memory.ts";
import { showError } from "../config/report.ts";
import { buildSnapshot } from "../config/snapshot.ts";
import { loadConfig } from "../config/source.ts";
import { contractsOf } from "../control/kinds/contract.ts";
import { priceBook } from "../control/kinds/price.ts";
import { expectedNanoUsd } from "../decide/balance/expected.ts";
import { ordinary, type Route, type RouteCandidate } from "../decide/deployment.ts";
import { tableOf } from "../pipeline/fitting.ts";
import { prefillOf } from "../providers/prefill.ts";
import type { Simulation } from "../sim/run.ts";
import { SpecError, type WorldSpec } from "../sim/spec.ts";
import { spillway, type PlayedRoute } from "../sim/spillway-policy.ts";
import { agreedTariffs } from "../sim/tariff.ts";
import type { PolicyKind } from "../sim/types.ts";
import { controlPathOf } from "../storage/control-files.ts";
import { openControlForReading } from "../storage/control.ts";
import { checkConfig } from "./check.ts";
import type { CommandContext } from "./context.ts";

/** Of a call whose price has to be known. */
const PRICED_TOKENS = 1_000;

export interface RouteToPlay {
  readonly route: Route;
  readonly played: PlayedRoute;
  /** What the route costs whatever is asked, and what it does that is not played. */
  readonly notes: readonly string[];
}

/** `dataDir`: whose managed prices and contracts count as well; null: none. Throws SpecError. */
export function routeToPlay(config: string, name: string, dataDir: string | null, wallMs: number, context: CommandContext): RouteToPlay {
  const loaded = loadConfig({ configFile: config, ...context });
  const checked = checkConfig(loaded, context);
  if (!checked.ok || !loaded.ok) throw new SpecError((checked.ok ? [] : checked.errors).map(showError).join("\n"));
  const { book, stored } = managedIn(dataDir);
  const { directory } = buildSnapshot(loaded.config, context.catalogue, context.providers, { wallMs, ...(book === undefined ? {} : { book }) }, { stored });
  const found = directory.resolve(name);
  if (found.kind !== "route") throw new SpecError(`${config}: there is no route "${name}"`);
  const { route } = found;
  const candidates = ordinary(route.candidates);
  const rescuers = new Set(candidates.flatMap(({ deployment }) => (prefillOf(deployment, deployment.baseUrl, tableOf(deployment)) === null ? [] : [deployment.id])));
  const played = { candidates, clocks: route.clocks, health: healthSettingsOf(loaded.config), ...(route.rescue === undefined ? {} : { rescuers }) };
  return { route, played, notes: notesOn(route, candidates) };
}

function managedIn(dataDir: string | null): { readonly book?: ReturnType<typeof priceBook>; readonly stored: ReturnType<typeof contractsOf> } {
  const path = dataDir === null ? null : controlPathOf(dataDir);
  if (path === null || !existsSync(path)) return { stored: [] };
  const reader = openControlForReading(path);
  try {
    return { book: priceBook(reader), stored: contractsOf(reader.all("contract")) };
  } finally {
    reader.close();
  }
}

function notesOn(route: Route, candidates: readonly RouteCandidate[]): readonly string[] {
  const fixed = candidates.filter(({ deployment: { pricing } }) => pricing.kind === "sheet" && (pricing.meters ?? []).some(({ contract: { terms } }) => terms.kind !== "free_quota"));
  const unmetered = candidates.filter(({ deployment }) => deployment.pricing.kind === "unmetered");
  const left = [
    ...(route.canary === undefined ? [] : ["its canary"]), ...(route.mirror === undefined ? [] : ["its mirror"]), ...(route.errorBudget === undefined ? [] : ["its error-budget policy"]),
    ...(ordinary(route.candidates).length < route.candidates.length ? ["candidates that are held back for what others refuse"] : []),
  ];
  const names = (all: readonly RouteCandidate[]): string => all.map(({ deployment }) => deployment.id).join(", ");
  return [
    ...(fixed.length === 0 ? [] : [`the cost is that of calls: what the contracts of ${names(fixed)} cost whatever is asked is not in it`]),
    ...(unmetered.length === 0 ? [] : [`calls to ${names(unmetered)} are unmetered and count as 0`]),
    ...(left.length === 0 ? [] : [`not played: ${left.join(", ")}`]),
  ];
}

/** The route's candidates, prices and objectives over the world's behaviour. Throws SpecError where the world lacks one of them. */
export function simulationOf({ route, played: { candidates } }: RouteToPlay, world: WorldSpec, wallMs: number, lacks: ReadonlyMap<string, string>): Pick<Simulation, "deployments" | "objectives" | "tariffs" | "startWallMs" | "deadlineMs"> {
  const parts = candidates.map(({ deployment }) => {
    const { id, pricing } = deployment;
    const behaviour = world.deployments.find((one) => one.id === id);
    if (behaviour === undefined) throw new SpecError(`the world says nothing of "${id}", a candidate of route "${route.name}"${lacks.has(id) ? `: the ledger tells ${lacks.get(id) ?? ""}` : ""}`);
    const isPriced = !world.unpriced.includes(id);
    if (!isPriced && expectedNanoUsd(pricing, PRICED_TOKENS, PRICED_TOKENS, wallMs) === null) throw new SpecError(`no price is known of "${id}": give it one in the world`);
    return { behaviour, deployment, price: isPriced ? behaviour.price : null };
  });
  return {
    deployments: parts.map(({ behaviour }) => behaviour),
    objectives: route.objectives ?? world.objectives,
    tariffs: () => agreedTariffs(parts),
    startWallMs: wallMs,
    deadlineMs: world.deadlineMs ?? route.clocks.deadlineMs,
  };
}

/** This gateway with the route as it is configured, and under another strategy. */
export function policyOfRoute(name: string, { route, played }: RouteToPlay): PolicyKind | null {
  const { strategy, terms } = route;
  const options = { name, route: played, ...(terms === undefined ? {} : { terms }) };
  if (name === "spillway") return spillway({ ...options, strategy });
  const other = /^spillway-(priority|weighted|cheapest|fastest|least-busy|sticky|balanced)$/.exec(name)?.[1];
  return other === undefined ? null : spillway({ ...options, strategy: other as Route["strategy"] });
}
