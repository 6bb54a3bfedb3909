/** `spillway notify`: channels for alerts, how they stand, and a test that goes through the running gateway or, without one, from here. */
import { existsSync } from "node:fs";
import { parseArgs } from "node:util";
import { vaultIn } from "../compose/control.ts";
import { channelsOf, stateJson, testedJson } from "../compose/notify.ts";
import { loadConfig } from "../config/source.ts";
import { showError } from "../config/report.ts";
import { NoticeSender } from "../edge/upstream-notify.ts";
import { WheelClock } from "../edge/clock.ts";
import { newId } from "../control/seal.ts";
import { Notifier } from "../notify/notifier.ts";
import { controlPathOf } from "../storage/control-files.ts";
import { openControlForReading } from "../storage/control.ts";
import { controlSocketPathOf } from "../storage/data-dir.ts";
import { StorageError } from "../storage/errors.ts";
import type { Channel } from "../wire/notice.ts";
import { EXIT, table, type CommandContext } from "./context.ts";
import { askGateway } from "./control-client.ts";

export const NOTIFY_HELP = `spillway notify [--json] [--config <file>] [--data-dir <folder>]
                                  channels for alerts, and how their last delivery went
spillway notify test [channel]    send a test to one channel, or to all
`;
/** A channel may take ten seconds to say that it is not there. */
const TEST_MS = 15_000;

interface Tested {
  readonly name: string;
  readonly type: string;
  readonly host: string;
  readonly delivered: boolean;
  readonly message: string | null;
}
interface State extends Omit<Tested, "delivered" | "message"> {
  readonly waiting: number;
  readonly delivered: number;
  readonly failed: number;
  readonly held_back: number;
  readonly last: { readonly at: string; readonly delivered: boolean; readonly message: string | null } | null;
}
interface Reply {
  readonly error?: string;
  readonly channels?: readonly State[];
  readonly tested?: readonly Tested[];
}

/** Runs the command; resolves with the exit code, 1 where a test did not arrive. */
export async function runNotify(args: readonly string[], context: CommandContext): Promise<number> {
  let parsed;
  try {
    parsed = parseArgs({ args: [...args], options: { json: { type: "boolean" }, config: { type: "string" }, "data-dir": { type: "string" }, help: { type: "boolean", short: "h" } }, allowPositionals: true });
  } catch (error) {
    return wrong(context, `${(error as Error).message}\n${NOTIFY_HELP}`, EXIT.usage);
  }
  const { values, positionals } = parsed;
  const [verb = "list", channel = null] = positionals;
  if (values.help === true) {
    context.out.write(NOTIFY_HELP);
    return EXIT.ok;
  }
  if ((verb !== "test" && verb !== "list") || positionals.length > 2) return wrong(context, `notify takes list or test\n${NOTIFY_HELP}`, EXIT.usage);
  const dataDir = values["data-dir"] ?? context.env["SPILLWAY_DATA_DIR"] ?? "./.spillway";
  const order = verb === "list" ? "" : `test ${channel ?? ""}`.trim();
  let reply: Reply;
  try {
    reply = (await askGateway(controlSocketPathOf(dataDir), "notify", order, TEST_MS)) as Reply;
  } catch (error) {
    if (!isNotRunning(error)) return wrong(context, `the gateway did not answer: ${(error as Error).message}`);
    const direct = await fromHere(verb, channel, dataDir, values.config ?? null, context);
    if (typeof direct === "string") return wrong(context, direct);
    reply = direct;
  }
  if (reply.error !== undefined) return wrong(context, reply.error);
  const rows = reply.tested ?? reply.channels ?? [];
  if (values.json === true) for (const row of rows) context.out.write(`${JSON.stringify(row)}\n`);
  else if (rows.length === 0) context.out.write("There are no channels. Add some under notify: in spillway.yaml, or with spillway channels create.\n");
  else context.out.write(table(reply.tested === undefined ? stateRows(reply.channels ?? []) : testRows(reply.tested), ""));
  return (reply.tested ?? []).every(({ delivered }) => delivered) ? EXIT.ok : EXIT.wrong;
}

/** Without a gateway: from the configuration and the store as they stand. */
async function fromHere(verb: string, wanted: string | null, dataDir: string, configFile: string | null, context: CommandContext): Promise<Reply | string> {
  const loaded = loadConfig({ configFile, env: context.env, cwd: context.cwd, providers: context.providers });
  if (!loaded.ok) return loaded.errors.map(showError).join("\n");
  let channels: readonly Channel[];
  try {
    const path = controlPathOf(dataDir);
    const store = existsSync(path) ? openControlForReading(path) : null;
    channels = store === null ? loaded.config.channels : channelsOf(loaded.config, store, vaultIn(dataDir));
    store?.close();
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    return error.message;
  }
  const clock = new WheelClock((error) => void context.errors.write(`${String(error)}\n`));
  const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
  // Nothing of this process's own is to be delivered later, so nothing is kept.
  const notifier = new Notifier({ clock, log, transport: new NoticeSender({ env: context.env }), outbox: { load: () => null, save: () => undefined }, random: Math.random, newId });
  try {
    notifier.configure(channels);
    if (verb === "list") return { channels: notifier.states().map((state) => stateJson(state) as unknown as State) };
    const tested = await notifier.test(wanted);
    return tested === null ? `there is no channel ${wanted ?? ""}` : { tested: tested.map((one) => testedJson(one) as unknown as Tested) };
  } finally {
    notifier.close();
    clock.close();
  }
}

function stateRows(states: readonly State[]): readonly (readonly string[])[] {
  return [
    ["channel", "type", "host", "waiting", "delivered", "failed", "held back", "last"],
    ...states.map((one) => [one.name, one.type, one.host, String(one.waiting), String(one.delivered), String(one.failed), String(one.held_back), lastText(one.last)]),
  ];
}

function lastText(last: State["last"]): string {
  return last === null ? "-" : `${last.at.slice(0, 19)}Z ${last.delivered ? "delivered" : (last.message ?? "failed")}`;
}

function testRows(tested: readonly Tested[]): readonly (readonly string[])[] {
  return [["channel", "type", "host", "test"], ...tested.map((one) => [one.name, one.type, one.host, one.delivered ? "delivered" : `failed: ${one.message ?? ""}`])];
}

function isNotRunning(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ENOENT" || code === "ECONNREFUSED";
}

function wrong(context: CommandContext, message: string, code: number = EXIT.wrong): number {
  context.errors.write(`spillway: ${message}\n`);
  return code;
}
