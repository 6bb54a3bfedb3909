/** A data folder as a world and as traffic of a simulation: read, fitted, told. The gateway may run on it meanwhile. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { LEAST_ANSWERS, fitDeployment, type FittedDeployment, type FittedShare, type FittedTimes } from "../sim/ledger-fit.ts";
import { LedgerSamples } from "../sim/ledger-samples.ts";
import { trafficOf, worldText, type LedgerTraffic } from "../sim/ledger-world.ts";
import { SpecError } from "../sim/spec.ts";
import { ledgerPathOf } from "../storage/data-dir.ts";
import { recordOf, type Entry } from "../storage/record-codec.ts";
import { openForReading } from "../storage/schema.ts";
import { int, text } from "../storage/statements.ts";
import { plainText } from "../wire/plain-text.ts";
import { table, type CommandContext, type LineOutput } from "./context.ts";

const PREFIX = "ledger:";

/** The folder that `ledger:FOLDER` names; without one the usual folder. null: a file is meant. */
export function ledgerFolderIn(given: string, { env, cwd }: Pick<CommandContext, "env" | "cwd">): string | null {
  if (!given.startsWith(PREFIX)) return null;
  const named = given.slice(PREFIX.length);
  return resolve(cwd, named === "" ? (env["SPILLWAY_DATA_DIR"] ?? "./.spillway") : named);
}

/** All that a folder tells. */
export class LedgerFit {
  readonly folder: string;
  readonly samples = new LedgerSamples();
  /** Most called first. */
  readonly deployments: readonly FittedDeployment[];

  /** Throws StorageError, and SpecError where the folder holds no chat request. */
  constructor(folder: string) {
    this.folder = folder;
    for (const record of recordsIn(folder)) this.samples.add(record);
    if (this.samples.deployments.size === 0 && this.samples.arrivals.length === 0) throw new SpecError(`${folder} has no record of a chat request`);
    this.deployments = [...this.samples.deployments.values()].map(fitDeployment).toSorted((a, b) => b.calls - a.calls || (a.id < b.id ? -1 : 1));
  }

  /** As a world's file. Throws SpecError where no deployment can be fitted. */
  world(): string {
    if (this.deployments.every(({ lacks }) => lacks !== null)) {
      throw new SpecError(`${this.folder} tells too little of every deployment:\n${this.deployments.map(({ id, lacks }) => `  ${id}: ${lacks ?? ""}`).join("\n")}\nDescribe them in a world's file.`);
    }
    return worldText(this.deployments, this.samples.fromMs);
  }

  /** The requests of a route; null: of all. Throws SpecError where there are none. */
  traffic(route: string | null): LedgerTraffic {
    const found = trafficOf(this.samples.arrivals, route, this.samples.fromMs);
    if (found !== null) return found;
    const whose = route === null ? "" : ` of the route "${route}"`;
    throw new SpecError(`${this.folder} has no request${whose} that tells its tokens`);
  }
}

function* recordsIn(folder: string): Generator<NonNullable<ReturnType<typeof recordOf>>> {
  const path = ledgerPathOf(folder);
  if (!existsSync(path)) throw new SpecError(`${folder} holds no ledger. Start the gateway there first, or name its folder: ledger:FOLDER`);
  const db = openForReading(path);
  try {
    const batch = db.prepare("SELECT last_id, body FROM record_batches WHERE last_id > ? ORDER BY last_id LIMIT 1");
    for (let row = batch.get(0); row !== undefined; row = batch.get(int(row["last_id"]))) {
      for (const entry of JSON.parse(text(row["body"])) as Entry[]) {
        const record = recordOf(entry);
        if (record !== null) yield record;
      }
    }
  } finally {
    db.close();
  }
}

/** What was fitted, with the numbers of calls that it rests on, and what is doubtful. */
export function tellFit({ folder, samples, deployments }: LedgerFit, out: LineOutput): void {
  const day = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`;
  out.write(plainText(`fitted from ${folder}: ${counted(samples.arrivals.length, "chat request")}, ${day(samples.fromMs)} to ${day(samples.untilMs)}${leftOutOf(samples)}`));
  out.write("\n");
  out.write(table([
    ["deployment", "calls", "first content p50/p95/p99 s (calls)", "tokens/s p50 (calls)", "answer p50/p95 tokens", "failed before", "429", "no answer", "broke off", "incidents"],
    ...deployments.map((one) => [
      one.id, String(one.calls), timesText(one), one.rate === null ? "-" : `${one.rate.p50.toFixed(1)} (${one.rate.answers})`, one.output === null ? "-" : `${one.output.p50}/${one.output.p95}`,
      shareText(failedOf(one)), shareText(pacedOf(one)), shareText(one.stalls), shareText(one.breaks), String(one.incidents.length),
    ]),
  ]));
  for (const { id, lacks, passedOver, incidents, doubts } of deployments) {
    if (lacks !== null) out.write(`${plainText(`  ${id} is left out: ${lacks}. Describe it in a world's file`)}\n`);
    for (const one of incidents) {
      const kinds = [...one.failures.map((kind) => `${kind.class} ${kind.count}`), ...(one.stalls.count > 0 ? [`no answer ${one.stalls.count}`] : []), ...(one.breaks.count > 0 ? [`broke off ${one.breaks.count}`] : [])];
      out.write(`${plainText(`  ${id}: incident ${day(one.fromMs)} to ${day(one.toMs)}: of ${counted(one.calls, "call")} ${kinds.join(", ")}`)}\n`);
    }
    if (passedOver.length > 0) out.write(`${plainText(`  ${id}: passed over, since they say nothing of how it answers: ${passedOver.map(({ outcome, count }) => `${count} ${outcome}`).join(", ")}`)}\n`);
    for (const doubt of doubts) out.write(`${plainText(`  ${id}: ${doubt}`)}\n`);
  }
  if (samples.cachedTokens > 0) out.write(`  ${((100 * samples.cachedTokens) / samples.promptTokens).toFixed(1)} % of the prompts' tokens came from caches; the simulator prices them as any other\n`);
}

/** The same as one plain value. */
export function fitJson({ folder, samples, deployments }: LedgerFit): object {
  const times = (one: FittedTimes | null): object | null => (one === null ? null : { answers: one.answers, givenUp: one.givenUp, p50: one.p50, p95: one.p95, p99: one.p99 });
  return {
    folder, from: new Date(samples.fromMs).toISOString(), until: new Date(samples.untilMs).toISOString(), requests: samples.arrivals.length, leftOut: Object.fromEntries(samples.leftOut),
    promptTokens: samples.promptTokens, cachedTokens: samples.cachedTokens, leastAnswers: LEAST_ANSWERS,
    deployments: deployments.map(({ firstToken, rate, incidents, ...rest }) => ({
      ...rest, firstTokenMs: times(firstToken), tokensPerS: times(rate),
      incidents: incidents.map(({ fromMs, toMs, ...one }) => ({ from: new Date(fromMs).toISOString(), until: new Date(toMs).toISOString(), ...one })),
    })),
  };
}

/** `1 request`, `2 requests` */
export function counted(n: number, word: string): string {
  return `${n} ${word}${n === 1 ? "" : "s"}`;
}

function leftOutOf({ leftOut }: LedgerSamples): string {
  return leftOut.size === 0 ? "" : `; left out: ${[...leftOut].map(([why, count]) => `${count} (${why})`).join(", ")}`;
}

function timesText({ firstToken, whole }: FittedDeployment): string {
  if (firstToken === null) return "-";
  const s = (ms: number): string => (ms / 1_000).toPrecision(3);
  return `${s(firstToken.p50)}/${s(firstToken.p95)}/${s(firstToken.p99)} (${firstToken.answers}${firstToken.givenUp > 0 ? `, ${firstToken.givenUp} given up` : ""})${whole ? " whole" : ""}`;
}

/** All failures before content but 429s. */
function failedOf({ failures, stalls }: FittedDeployment): { readonly count: number; readonly of: number } {
  return { count: failures.reduce((sum, one) => sum + (one.class === "rate" ? 0 : one.count), 0), of: stalls.of };
}

function pacedOf({ failures, stalls }: FittedDeployment): { readonly count: number; readonly of: number } {
  return { count: failures.find((one) => one.class === "rate")?.count ?? 0, of: stalls.of };
}

function shareText({ count, of }: Pick<FittedShare, "count" | "of">): string {
  return of === 0 ? "-" : `${((100 * count) / of).toFixed(2)} % (${count} of ${of})`;
}
