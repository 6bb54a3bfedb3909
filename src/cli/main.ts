/** The command line: one word chooses the command, each command reads its own flags. */
import { parseConfig } from "../config/load.ts";
import { startGateway } from "../compose.ts";
import { openLog } from "../edge/log.ts";
import { didYouMean, nearestNames } from "../decide/nearest.ts";
import { loadCatalogue } from "../providers/catalog/index.ts";
import { PROVIDERS } from "../providers/registry.ts";
import { VERSION } from "../version.ts";
import { runAudit } from "./audit.ts";
import { runBackup } from "./backup.ts";
import { endQuietly } from "./broken-pipe.ts";
import { runCanary } from "./canary.ts";
import { runCheck } from "./check.ts";
import { EXIT, type CommandContext } from "./context.ts";
import { runContracts } from "./contracts.ts";
import { displayAtHand } from "./display.ts";
import { runDemo, type StartGateway } from "./demo.ts";
import { runExplain } from "./explain.ts";
import { runExplainName } from "./explain-name.ts";
import { runFeedback } from "./feedback.ts";
import { runFleet } from "./fleet.ts";
import { runNotify } from "./notify.ts";
import { runObjectives } from "./objectives.ts";
import { runPrices } from "./prices.ts";
import { isManaged, runManaged } from "./manage.ts";
import { runProviders } from "./providers.ts";
import { runReconcile } from "./reconcile.ts";
import { runReport } from "./report.ts";
import { runRequests } from "./requests.ts";
import { runSimulate } from "./simulate.ts";
import { runSpend } from "./spend.ts";
import { runStart } from "./start.ts";
import { runToken } from "./token.ts";
import { runVerify } from "./verify.ts";

const HELP = `spillway ${VERSION}: one endpoint in front of many LLM providers

  spillway start [--config <file>] [--port 8484]   serve (spillway start --help for all flags)
  spillway check [--config <file>]                 validate a configuration, show each route's steps
  spillway explain-name <name>                     what a model name resolves to, and why
  spillway explain <request-id>|--dry-run <file>   why a request went where it went, or where one would go now
  spillway requests [--json] [--limit N] [--follow]  what was asked, tried, answered and paid
  spillway feedback [--json]                       what callers said of their answers
  spillway providers [retry <name>]                what the running gateway believes of its deployments
  spillway objectives                              what is promised and kept, what is left of error budgets, how fast they go
  spillway canary [resume|promote <route>]         candidates on trial: how they stand beside what their routes have
  spillway contracts [list|show <id>|forecast <id>]  what was agreed with providers, and how it stands
  spillway keys|teams|projects|members|organisations|budgets|limits|… [list|create|show|update|delete]  what is managed
  spillway spend [--by team,day] [--from …] [--to …]  what was spent by whom on what (--json, --csv, --focus, --movers)
  spillway report --month 2026-10                  what was promised and kept, what a provider owes (--format json|md|html, --verify)
  spillway audit [verify]                          who changed what; is the log as it was written?
  spillway backup <folder>                         a whole copy of the data folder, to start on
  spillway token rotate                            a new token for the admin API; the old one ends
  spillway reload                                  make the running gateway read its configuration again
  spillway prices show|compare|import              what is charged and who says so; price lists of others
  spillway notify [test [channel]]                 channels for alerts, and whether they work
  spillway reconcile <file>|rerate                 a provider's export or invoice beside the ledger; calls priced again
  spillway verify budgets                          proof that a shared budget holds, with kills, on this machine
  spillway simulate --world … --traffic …          policies side by side over simulated providers, on virtual time
  spillway fleet --config <file>                   simulated providers on loopback ports
  spillway demo                                    a failing provider and a client that does not notice
  spillway --version
`;

/** The words of the help's own list. */
const COMMANDS = [...HELP.matchAll(/^ {2}spillway ([a-z][a-z|-]*)/gm)].flatMap(([, words = ""]) => words.split("|")).filter((word) => word !== "");

async function main(args: readonly string[]): Promise<number> {
  const context: CommandContext = { out: process.stdout, errors: process.stderr, env: process.env, cwd: process.cwd(), providers: PROVIDERS, catalogue: loadCatalogue() };
  const [command, ...rest] = args;
  switch (command) {
    case undefined:
    case "help":
    case "--help":
    case "-h":
      context.out.write(HELP);
      return EXIT.ok;
    case "--version":
    case "-v":
      context.out.write(`${VERSION}\n`);
      return EXIT.ok;
    case "start":
      return await runStart(rest, context);
    case "check":
      return runCheck(rest, context);
    case "explain":
      return await runExplain(rest, context);
    case "explain-name":
      return runExplainName(rest, context);
    case "requests":
      return await runRequests(rest, process.stdout, { signal: untilSignal(), display: displayAtHand(context) });
    case "feedback":
      return runFeedback(rest, context);
    case "providers":
      return await runProviders(rest, context);
    case "contracts":
      return runContracts(rest, context, Date.now());
    case "reload":
      return await runProviders(["reload", ...rest], context);
    case "notify":
      return await runNotify(rest, context);
    case "canary":
      return await runCanary(rest, context);
    case "objectives":
      return await runObjectives(rest, context);
    case "prices":
      return await runPrices(rest, context);
    case "reconcile":
      return await runReconcile(rest, context);
    case "fleet":
      return await runFleet(rest, process.stdout, untilSignal());
    case "simulate":
      return runSimulate(rest, context, Date.now());
    case "demo":
      return await runDemo(rest, process.stdout, demoGateway, untilSignal());
    case "verify":
      return await runVerify(rest, context, process.argv[1] ?? "");
    case "spend":
      return await runSpend(rest, context);
    case "report":
      return runReport(rest, context, Date.now());
    case "audit":
      return runAudit(rest, context);
    case "backup":
      return runBackup(rest, context);
    case "token":
      return await runToken(rest, context);
    default:
      if (isManaged(command)) return await runManaged(command, rest, context);
      // `spillway --port 9000` means start, as people expect.
      if (command.startsWith("--")) return await runStart(args, context);
      context.errors.write(`spillway: there is no command "${command}"${didYouMean(nearestNames(command, COMMANDS))}\n\n${HELP}`);
      return EXIT.usage;
  }
}

/** A gateway for the demo: any free port, nothing on the terminal. */
const demoGateway: StartGateway = async (yamlText, dataDir) => {
  const parsed = parseConfig(yamlText, { source: "demo", env: {}, providers: PROVIDERS, readFile: () => "" });
  if (!parsed.ok) throw new Error(`the demo's configuration is wrong: ${JSON.stringify(parsed.errors)}`);
  const loaded = { ...parsed, path: null, text: null };
  const gateway = await startGateway({ loaded, env: {}, host: "127.0.0.1", port: 0, adminPort: 0, dataDir, drainMs: 2_000, tls: null, log: openLog("off"), requestLog: null, maxInFlight: 2_000, watch: false });
  return { url: gateway.url, close: () => gateway.stop(0) };
};

function untilSignal(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => controller.abort());
  return AbortSignal.any([controller.signal, readerLeft]);
}

const readerLeft = endQuietly([process.stdout, process.stderr]);
process.exitCode = await main(process.argv.slice(2));
