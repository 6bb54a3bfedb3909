/** `spillway audit [verify]`: who changed what, and whether the log is as it was written. Reads the data folder. */
import { parseArgs } from "node:util";
import type { AuditLine } from "../control/types.ts";
import { controlPathOf } from "../storage/control-files.ts";
import { openControlForReading } from "../storage/control.ts";
import { StorageError } from "../storage/errors.ts";
import { isObject, type Json } from "../wire/json.ts";
import { EXIT, table, type CommandContext } from "./context.ts";

const HELP = `spillway audit [verify] [--json] [--limit N] [--organisation ID] [--data-dir FOLDER]
The newest N changes (50), oldest first: of one organisation, or of all. verify: is every line as it was written, and none missing?
`;
const LIMIT = 50;
const PIECE = 1_000;
const DETAIL_MAX = 100;

/** Runs the command; resolves with the exit code: 1 where a line is not as it was written. */
export function runAudit(args: readonly string[], context: CommandContext): number {
  let parsed;
  try {
    parsed = parseArgs({ args: [...args], options: { json: { type: "boolean", default: false }, help: { type: "boolean", short: "h", default: false }, limit: { type: "string" }, organisation: { type: "string" }, "data-dir": { type: "string" } }, allowPositionals: true });
  } catch (error) {
    context.errors.write(`spillway: ${(error as Error).message}\n\n${HELP}`);
    return EXIT.usage;
  }
  const { values, positionals } = parsed;
  const [verb] = positionals;
  const limit = values.limit === undefined ? LIMIT : /^\d{1,9}$/.test(values.limit) ? Number(values.limit) : Number.NaN;
  if (values.help || (verb !== undefined && verb !== "verify") || positionals.length > 1 || Number.isNaN(limit)) {
    (values.help ? context.out : context.errors).write(HELP);
    return values.help ? EXIT.ok : EXIT.usage;
  }
  try {
    const reader = openControlForReading(controlPathOf(values["data-dir"] ?? context.env["SPILLWAY_DATA_DIR"] ?? "./.spillway"));
    try {
      if (verb === "verify") return verify(reader.verifyAudit(), values.json, context);
      const lines = newest(reader.audit, limit, values.organisation);
      if (values.json) for (const line of lines) context.out.write(`${JSON.stringify(lineJson(line))}\n`);
      else context.out.write(table([["#", "at (UTC)", "who", "did", "to", "what"], ...lines.map((line) => [String(line.sequence), new Date(line.atMs).toISOString().slice(0, 19).replace("T", " "), line.actor, line.action, `${line.kind} ${line.id}`, detailText(line.detail)])], ""));
      return EXIT.ok;
    } finally {
      reader.close();
    }
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    context.errors.write(`spillway: ${error.message}\n`);
    return EXIT.wrong;
  }
}

function verify(problem: { readonly sequence: number; readonly problem: string } | null, json: boolean, context: CommandContext): number {
  if (json) context.out.write(`${JSON.stringify(problem === null ? { valid: true } : { valid: false, ...problem })}\n`);
  else context.out.write(problem === null ? "Every line is as it was written, and none is missing.\n" : `Line ${problem.sequence}: ${problem.problem}.\n`);
  return problem === null ? EXIT.ok : EXIT.wrong;
}

/** Lines are read forwards, as they are chained. */
function newest(read: (options: { readonly after: number; readonly limit: number; readonly tenant?: string }) => readonly AuditLine[], limit: number, tenant: string | undefined): readonly AuditLine[] {
  let kept: AuditLine[] = [];
  let after = 0;
  for (;;) {
    const piece = read({ after, limit: PIECE, ...(tenant === undefined ? {} : { tenant }) });
    kept = [...kept, ...piece].slice(-Math.max(limit, 1));
    after = piece.at(-1)?.sequence ?? after;
    if (piece.length < PIECE) return limit === 0 ? [] : kept;
  }
}

function lineJson({ sequence, atMs, actor, action, kind, id, tenant, detail, hash }: AuditLine): Json {
  return { sequence, at: new Date(atMs).toISOString(), actor, action, kind, id, organisation: tenant, detail, hash };
}

/** `role: viewer → admin, secrets changed`. */
function detailText(detail: Json): string {
  if (!isObject(detail)) return "";
  const text = Object.entries(detail)
    .map(([field, change]) => (isObject(change) ? `${field}: ${shown(change["from"])} → ${shown(change["to"])}` : `${field} changed`))
    .join(", ");
  return text.length > DETAIL_MAX ? `${text.slice(0, DETAIL_MAX - 1)}…` : text;
}

function shown(value: Json | undefined): string {
  return value === null || value === undefined ? "-" : typeof value === "string" ? value : JSON.stringify(value);
}
