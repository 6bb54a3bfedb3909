/** `spillway canary`: candidates on trial beside what their routes have; `resume` after a rollback, `promote` prints what to write. */
import { askOwner, ownerFlags } from "./ask-owner.ts";
import { EXIT, table, type CommandContext } from "./context.ts";

export const CANARY_HELP = `spillway canary [--json] [--data-dir <folder>]
                                  how the canary of each route stands beside its other candidates, and what mirrors spent
spillway canary resume <route>    let a canary that was rolled back take requests again, judged from anew
spillway canary promote <route>   the lines of a configuration in which it is the route's first candidate; nothing is changed
`;

interface Counts {
  readonly valid: number;
  readonly bad: number;
  readonly burn: number;
}
interface Arm {
  readonly requests: number;
  readonly cost_per_request_usd: string | null;
  readonly scores: number;
  readonly mean_score: number | null;
}
interface Canary {
  readonly route: string;
  readonly use: string;
  readonly share: number;
  readonly min_requests: number;
  readonly state: string;
  readonly canary: Arm;
  readonly rest: Arm;
  readonly cost_ratio: number | null;
  readonly objectives: readonly { readonly objective: string; readonly span: string; readonly canary: Counts; readonly rest: Counts }[];
  readonly rolled_back: { readonly at: string; readonly reason: string } | null;
}
interface Mirror {
  readonly route: string;
  readonly use: string;
  readonly share: number;
  readonly calls: number;
  readonly failed: number;
  readonly spent_today_usd: string;
  readonly max_usd_per_day: string;
}
type Reply = Partial<Canary> & { readonly canaries?: readonly Canary[]; readonly mirrors?: readonly Mirror[]; readonly yaml?: string };

/** Asks the gateway that owns the data folder. Resolves with the exit code. */
export async function runCanary(args: readonly string[], context: CommandContext): Promise<number> {
  const usage = (message: string): number => {
    context.errors.write(`spillway: ${message}\n${CANARY_HELP}`);
    return EXIT.usage;
  };
  const flags = ownerFlags(args, CANARY_HELP, context, true);
  if (typeof flags === "number") return flags;
  const [what = "", route, ...more] = flags.positionals;
  if (what !== "" && ((what !== "resume" && what !== "promote") || route === undefined || more.length > 0)) return usage(what === "resume" || what === "promote" ? `${what} takes the name of one route` : `canary knows no ${what}`);
  const reply = (await askOwner(flags.dataDir, "canary", what === "" ? "" : `${what} ${route ?? ""}`)) as string | Reply;
  if (typeof reply === "string") {
    context.errors.write(`spillway: ${reply}\n`);
    return EXIT.wrong;
  }
  if (flags.json) context.out.write(`${JSON.stringify(reply)}\n`);
  else if (what === "promote") promote(reply, context);
  else if (what === "resume") context.out.write(`The canary of ${route ?? ""}, ${reply.use ?? ""}, takes requests again.\n`);
  else list(reply, context);
  return EXIT.ok;
}

/** What speaks against it goes to the other stream, so that the lines can be piped. */
function promote({ use = "", state, yaml = "", canary, min_requests: least = 0, rolled_back: back }: Reply, { out, errors }: CommandContext): void {
  if (state === "collecting") errors.write(`spillway: ${use} has served ${canary?.requests ?? 0} of the ${least} requests that were to be waited for.\n`);
  if (back != null) errors.write(`spillway: ${use} was rolled back at ${back.at}: ${back.reason}.\n`);
  out.write(yaml);
}

function list({ canaries = [], mirrors = [] }: Reply, { out }: CommandContext): void {
  if (canaries.length === 0 && mirrors.length === 0) return void out.write("Nothing is tried: add canary or mirror to a route.\n");
  if (canaries.length > 0) {
    out.write(table([["route", "canary", "share", "state", "requests", "others", "cost ratio", "score", "others", "objective", "bad", "burn", "others"], ...canaries.flatMap(rowsOf)], ""));
    for (const { route, use, rolled_back: back } of canaries) if (back !== null) out.write(`${route}: ${use} was rolled back at ${back.at}: ${back.reason}.\n`);
  }
  if (canaries.length > 0 && mirrors.length > 0) out.write("\n");
  if (mirrors.length > 0) out.write(table([["route", "mirror", "share", "calls", "failed", "spent today", "of"], ...mirrors.map((one) => [one.route, one.use, percent(one.share), String(one.calls), String(one.failed), dollars(one.spent_today_usd), dollars(one.max_usd_per_day)])], ""));
}

/** One line for each objective, over the whole trial. */
function rowsOf({ route, use, share, min_requests: least, state, canary, rest, cost_ratio: ratio, objectives }: Canary): readonly (readonly string[])[] {
  const rows = objectives.filter(({ span }) => span === "trial");
  return rows.map((one, i) => [
    ...(i > 0 ? Array.from({ length: 9 }, () => "") : [route, use, percent(share), state.replace("_", " "), `${canary.requests} of ${least}`, String(rest.requests), ratio === null ? "" : String(ratio), score(canary), score(rest)]),
    one.objective, ...(one.canary.valid === 0 ? ["", ""] : [`${one.canary.bad} of ${one.canary.valid}`, String(one.canary.burn)]), one.rest.valid === 0 ? "" : String(one.rest.burn),
  ]);
}

function score({ scores, mean_score: mean }: Arm): string {
  return mean === null ? "" : `${mean} (${scores})`;
}

/** Nine places as a person writes them. */
function dollars(text: string): string {
  return `$${text.replace(/0{1,7}$/, "")}`;
}

function percent(share: number): string {
  return `${Number((share * 100).toFixed(3))}%`;
}
