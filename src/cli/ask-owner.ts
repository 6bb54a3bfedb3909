/** Commands that ask the gateway which owns a data folder: the flags that all of them take, and the asking. */
import { parseArgs } from "node:util";
import { controlSocketPathOf } from "../storage/data-dir.ts";
import { isObject, type JsonObject } from "../wire/json.ts";
import { EXIT, type CommandContext } from "./context.ts";
import { askGateway } from "./control-client.ts";

export interface OwnerFlags {
  readonly json: boolean;
  readonly dataDir: string;
  readonly positionals: readonly string[];
}

/** Reads them. A number is the exit code: the help, or what is wrong, has been written. */
export function ownerFlags(args: readonly string[], help: string, context: CommandContext, allowPositionals = false): OwnerFlags | number {
  let parsed;
  try {
    parsed = parseArgs({ args: [...args], options: { json: { type: "boolean" }, "data-dir": { type: "string" }, help: { type: "boolean", short: "h" } }, allowPositionals });
  } catch (error) {
    context.errors.write(`spillway: ${(error as Error).message}\n${help}`);
    return EXIT.usage;
  }
  const { values, positionals } = parsed;
  if (values.help === true) {
    context.out.write(help);
    return EXIT.ok;
  }
  return { json: values.json === true, dataDir: values["data-dir"] ?? context.env["SPILLWAY_DATA_DIR"] ?? "./.spillway", positionals };
}

/** The gateway's reply, or in words why there is none. */
export async function askOwner(dataDir: string, command: string, argument = ""): Promise<JsonObject | string> {
  let reply: unknown;
  try {
    reply = await askGateway(controlSocketPathOf(dataDir), command, argument);
  } catch (error) {
    return `no gateway answers for ${dataDir} (${(error as Error).message}). Is it running with this data folder?`;
  }
  if (!isObject(reply)) return "the gateway's answer cannot be read";
  return typeof reply["error"] === "string" ? reply["error"] : reply;
}
