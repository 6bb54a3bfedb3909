/** `spillway feedback`: what callers thought of their answers, the oldest first. Reads the data folder. */
import { parseArgs } from "node:util";
import { readFeedback, type FeedbackRow } from "../storage/feedback.ts";
import { StorageError } from "../storage/errors.ts";
import type { JsonObject } from "../wire/json.ts";
import { EXIT, table, type CommandContext } from "./context.ts";

const HELP = `spillway feedback [--json] [--limit N] [--data-dir FOLDER]
What callers said of their answers by POST /v1/feedback, oldest first: the newest N (50).
`;
const LIMIT = 50;
const COMMENT_CHARS = 60;

/** Runs the command; gives the exit code. */
export function runFeedback(args: readonly string[], { out, errors, env }: CommandContext): number {
  let values;
  try {
    ({ values } = parseArgs({ args: [...args], options: { json: { type: "boolean", default: false }, limit: { type: "string", default: String(LIMIT) }, help: { type: "boolean", short: "h", default: false }, "data-dir": { type: "string" } } }));
    if (!/^\d{1,6}$/.test(values.limit)) throw new Error(`--limit takes a whole number, got "${values.limit}"`);
  } catch (error) {
    errors.write(`${(error as Error).message}\n${HELP}`);
    return EXIT.usage;
  }
  if (values.help) {
    out.write(HELP);
    return EXIT.ok;
  }
  try {
    const rows = readFeedback(values["data-dir"] ?? env["SPILLWAY_DATA_DIR"] ?? "./.spillway", { limit: Number(values.limit) }).toReversed();
    if (values.json) for (const row of rows) out.write(`${JSON.stringify(feedbackJson(row))}\n`);
    else if (rows.length === 0) out.write("Nobody has said anything yet.\n");
    else out.write(table([["at (UTC)", "request", "score", "key", "route", "deployment", "comment"], ...rows.map(cellsOf)], ""));
    return EXIT.ok;
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    errors.write(`spillway: ${error.message}\n`);
    return EXIT.wrong;
  }
}

/** One as a listing tells it. */
export function feedbackJson({ requestId, tenant, key, atMs, score, comment, route, deployment }: FeedbackRow): JsonObject {
  return { request_id: requestId, at: new Date(atMs).toISOString(), tenant, key, score, comment, route, deployment };
}

function cellsOf({ requestId, key, atMs, score, comment, route, deployment }: FeedbackRow): readonly string[] {
  // What a caller wrote is shown to a terminal: nothing of it may steer one.
  const said = (comment ?? "").replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, " ");
  return [new Date(atMs).toISOString().slice(0, 19).replace("T", " "), requestId, String(score), key, route ?? "-", deployment ?? "-", said.length > COMMENT_CHARS ? `${said.slice(0, COMMENT_CHARS - 1)}…` : said];
}
