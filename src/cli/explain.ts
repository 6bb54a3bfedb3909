/**
 * `spillway explain`: why a request went where it went, from the record in the data folder; or with --dry-run where a request would go
 * now, asked of the running gateway, which sends nothing.
 */
import { randomBytes } from "node:crypto";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ledgerPathOf, openReadOnly } from "../storage/data-dir.ts";
import { StorageError } from "../storage/errors.ts";
import { RequestSearch } from "../storage/request-search.ts";
import { openForReading } from "../storage/schema.ts";
import { isObject, type JsonObject } from "../wire/json.ts";
import { askOwner } from "./ask-owner.ts";
import { EXIT, type CommandContext } from "./context.ts";
import { explanationText } from "./explain-text.ts";

const HELP = `spillway explain <request-id> [--json] [--data-dir FOLDER]
spillway explain --dry-run <request.json> [--json] [--data-dir FOLDER]
The candidates of a request with what was believed of each, what was left out and why, the pressure, the choice and what became of it.
--dry-run: where this body would go now, asked of the running gateway; nothing is sent.
Exit code 0: explained; 1: there is no such request, or it would be refused; 2: wrong usage.
`;

interface Flags {
  readonly subject: string;
  readonly dryRun: boolean;
  readonly json: boolean;
  readonly dataDir: string;
}

/** Runs the command; resolves with the exit code. */
export async function runExplain(args: readonly string[], context: CommandContext): Promise<number> {
  const flags = readFlags(args, context);
  if (typeof flags === "number") return flags;
  const found = flags.dryRun ? await weighed(flags) : recorded(flags);
  if (typeof found === "string") {
    context.errors.write(`spillway: ${found}\n`);
    return EXIT.wrong;
  }
  context.out.write(flags.json ? `${JSON.stringify(found)}\n` : explanationText(found));
  return found["error"] === undefined ? EXIT.ok : EXIT.wrong;
}

function readFlags(args: readonly string[], { out, errors, env }: CommandContext): Flags | number {
  let problem = "explain wants one request id, or --dry-run and one file";
  try {
    const options = { "dry-run": { type: "string" }, json: { type: "boolean", default: false }, "data-dir": { type: "string" }, help: { type: "boolean", short: "h" } } as const;
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
    if (values.help === true) {
      out.write(HELP);
      return EXIT.ok;
    }
    const subjects = [...positionals, ...(values["dry-run"] === undefined ? [] : [values["dry-run"]])];
    const [subject] = subjects;
    if (subject !== undefined && subjects.length === 1) return { subject, dryRun: values["dry-run"] !== undefined, json: values.json, dataDir: values["data-dir"] ?? env["SPILLWAY_DATA_DIR"] ?? "./.spillway" };
  } catch (error) {
    problem = error instanceof Error ? error.message : String(error);
  }
  errors.write(`${problem}\n${HELP}`);
  return EXIT.usage;
}

/** From the data folder, whether or not a gateway runs on it; or what is wrong. */
function recorded({ subject, dataDir }: Flags): JsonObject | string {
  try {
    const reader = openReadOnly(dataDir);
    try {
      const db = openForReading(ledgerPathOf(dataDir));
      try {
        return new RequestSearch(db, reader).one(null, subject) ?? `there is no request ${JSON.stringify(subject)} in ${dataDir}; spillway requests lists them`;
      } finally {
        db.close();
      }
    } finally {
      reader.close();
    }
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    return error.message;
  }
}

/** From the running gateway; or what is wrong. The request goes by a file of the data folder: a socket's line is too short for it. */
async function weighed({ subject, dataDir }: Flags): Promise<JsonObject | string> {
  let request: unknown;
  try {
    request = JSON.parse(readFileSync(subject, "utf8"));
  } catch (error) {
    return `${subject} cannot be read: ${(error as Error).message}`;
  }
  if (!isObject(request)) return `${subject} holds no request: a JSON object is expected`;
  const name = `explain-${randomBytes(9).toString("hex")}.json`;
  const path = join(dataDir, name);
  // Asked before anything is written: where no gateway runs there may be no folder either.
  const reached = await askOwner(dataDir, "providers");
  if (typeof reached === "string") return reached;
  try {
    writeFileSync(path, JSON.stringify(request), { mode: 0o600 });
    return await askOwner(dataDir, "explain", name);
  } catch (error) {
    return `${dataDir} cannot be written: ${(error as Error).message}`;
  } finally {
    rmSync(path, { force: true });
  }
}
