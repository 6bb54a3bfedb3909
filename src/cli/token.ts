/** `spillway token rotate`: a new token for the admin API, from the running gateway; the one before it ends at once. */
import { parseArgs } from "node:util";
import { controlSocketPathOf } from "../storage/data-dir.ts";
import { isObject, type Json } from "../wire/json.ts";
import { EXIT, type CommandContext } from "./context.ts";
import { askGateway } from "./control-client.ts";

const HELP = `spillway token rotate [--json] [--data-dir FOLDER]
A new token for the administrator of the admin API, shown once; the one before it ends at once.
Tokens of people: spillway members token <id>.
`;

/** Runs the command; resolves with the exit code. */
export async function runToken(args: readonly string[], context: CommandContext): Promise<number> {
  let parsed;
  try {
    parsed = parseArgs({ args: [...args], options: { json: { type: "boolean", default: false }, help: { type: "boolean", short: "h", default: false }, "data-dir": { type: "string" } }, allowPositionals: true });
  } catch (error) {
    context.errors.write(`spillway: ${(error as Error).message}\n\n${HELP}`);
    return EXIT.usage;
  }
  const { values, positionals } = parsed;
  if (values.help || positionals[0] !== "rotate" || positionals.length > 1) {
    (values.help ? context.out : context.errors).write(HELP);
    return values.help ? EXIT.ok : EXIT.usage;
  }
  const dataDir = values["data-dir"] ?? context.env["SPILLWAY_DATA_DIR"] ?? "./.spillway";
  try {
    const answer = (await askGateway(controlSocketPathOf(dataDir), "token")) as Json;
    if (!isObject(answer) || typeof answer["token"] !== "string") throw new Error("its answer cannot be read");
    context.out.write(values.json ? `${JSON.stringify({ token: answer["token"] })}\n` : `${answer["token"]}\n`);
    return EXIT.ok;
  } catch (error) {
    context.errors.write(`spillway: no gateway runs on ${dataDir} (${(error as Error).message}): start it, or name its folder with --data-dir.\n`);
    return EXIT.wrong;
  }
}
