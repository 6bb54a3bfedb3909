/** `spillway backup <folder>`: a whole copy of the data folder, while the gateway runs or not. */
import { parseArgs } from "node:util";
import { backUp } from "../storage/backup.ts";
import { StorageError } from "../storage/errors.ts";
import { EXIT, type CommandContext } from "./context.ts";

const HELP = `spillway backup <folder> [--without-key] [--json] [--data-dir FOLDER]
Copies the ledger, what is managed, and what objectives, canaries and routes have counted to a new folder, each as of one moment, while
the gateway runs or not. To restore, start on the copy: spillway start --data-dir <folder>.
The key that seals providers' credentials goes along (control.key): keep the copy as safe as the original, or leave the key
out with --without-key and enter those credentials anew after a restore.
`;

/** Runs the command; resolves with the exit code. */
export function runBackup(args: readonly string[], context: CommandContext): number {
  let parsed;
  try {
    parsed = parseArgs({ args: [...args], options: { json: { type: "boolean", default: false }, "without-key": { type: "boolean", default: false }, help: { type: "boolean", short: "h", default: false }, "data-dir": { type: "string" } }, allowPositionals: true });
  } catch (error) {
    context.errors.write(`spillway: ${(error as Error).message}\n\n${HELP}`);
    return EXIT.usage;
  }
  const { values, positionals } = parsed;
  const [target] = positionals;
  if (values.help || target === undefined || positionals.length > 1) {
    (values.help ? context.out : context.errors).write(HELP);
    return values.help ? EXIT.ok : EXIT.usage;
  }
  try {
    const { path, files, withKey } = backUp(values["data-dir"] ?? context.env["SPILLWAY_DATA_DIR"] ?? "./.spillway", target, !values["without-key"]);
    context.out.write(values.json ? `${JSON.stringify({ path, files, with_key: withKey })}\n` : `Copied ${files.join(", ")} to ${path}${withKey ? " (with the key of its credentials: keep it safe)" : ""}.\n`);
    return EXIT.ok;
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    context.errors.write(`spillway: ${error.message}\n`);
    return EXIT.wrong;
  }
}
