/** `spillway providers`: what the running gateway believes of its deployments, and a retry of an excluded credential. */
import { askOwner, ownerFlags } from "./ask-owner.ts";
import { EXIT, table, type CommandContext } from "./context.ts";

export const PROVIDERS_HELP = `spillway providers [--json] [--data-dir <folder>]
spillway providers retry <name>     try an excluded credential again now
spillway reload                     read the configuration file again
`;

interface Row {
  readonly deployment: string;
  readonly endpoint: string;
  readonly state: string;
  /** ISO times; null: it does not rest, nobody told it to wait. */
  readonly restsUntil: string | null;
  readonly pausedUntil: string | null;
  readonly run: number;
  readonly slow: readonly { readonly thresholdMs: number; readonly state: string }[];
  readonly acceptsPerMinute: number | null;
  readonly takesAtOnce: number | null;
  /** `until`: when it is tried again; null: once somebody has mended it. */
  readonly excluded: { readonly reason: string; readonly until: string | null } | null;
}

/** Run the command against the gateway that owns the data folder. Resolves with the exit code. */
export async function runProviders(args: readonly string[], context: CommandContext): Promise<number> {
  const flags = ownerFlags(args, PROVIDERS_HELP, context, true);
  if (typeof flags === "number") return flags;
  const [action, name] = flags.positionals;
  const wrong = misuse(flags.positionals);
  if (wrong !== null) {
    context.errors.write(`spillway: ${wrong}\n${PROVIDERS_HELP}`);
    return EXIT.usage;
  }
  const reply = (await askOwner(flags.dataDir, action ?? "providers", name)) as string | { errors?: readonly string[]; providers?: readonly Row[] };
  if (typeof reply === "string") {
    context.errors.write(`spillway: ${reply}\n`);
    return EXIT.wrong;
  }
  if (reply.errors !== undefined) {
    for (const error of reply.errors) context.errors.write(`${error}\n`);
    context.out.write(reply.errors.length === 0 ? "reloaded\n" : "kept the old configuration\n");
    return reply.errors.length === 0 ? EXIT.ok : EXIT.wrong;
  }
  const rows = reply.providers ?? [];
  if (flags.json) for (const row of rows) context.out.write(`${JSON.stringify(row)}\n`);
  else if (reply.providers === undefined) context.out.write(`${JSON.stringify(reply)}\n`);
  else if (rows.length === 0) context.out.write("No deployment has been called yet.\n");
  else context.out.write(table([["deployment", "endpoint", "state", "until", "failures in a row", "too slow for", "a minute", "at once", "excluded"], ...rows.map(cellsOf)], ""));
  return EXIT.ok;
}

/** What is wrong with the words, or null. Whatever else the gateway's socket takes is no word of this command. */
function misuse([action, name, ...more]: readonly string[]): string | null {
  if (action === "retry") return name === undefined || more.length > 0 ? "retry takes the name of one account" : null;
  if (action === "reload") return name === undefined ? null : "reload takes no name";
  return action === undefined ? null : `providers knows no ${action}`;
}

function cellsOf(row: Row): readonly string[] {
  const slow = row.slow.filter(({ state }) => state !== "admitting").map(({ thresholdMs }) => `${thresholdMs / 1_000} s`);
  return [row.deployment, row.endpoint, stateOf(row), untilOf(row), String(row.run), slow.join(", "), String(row.acceptsPerMinute ?? ""), String(row.takesAtOnce ?? ""), row.excluded?.reason ?? ""];
}

/** Who is told to wait is well, and is not called either. */
function stateOf({ state, pausedUntil }: Row): string {
  return state === "admitting" && pausedUntil !== null ? "paused" : state;
}

/** The latest of what keeps it from calls. */
function untilOf({ restsUntil, pausedUntil, excluded }: Row): string {
  return [restsUntil, pausedUntil, excluded?.until ?? null].reduce((latest: string, one) => (one !== null && one > latest ? one : latest), "");
}
