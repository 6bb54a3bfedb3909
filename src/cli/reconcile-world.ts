/** What reconciling reads: the configuration, the managed prices and contracts, and the ledger of a data folder. */
import { existsSync } from "node:fs";
import type { RerateWorld } from "../compose/rerate.ts";
import { showError } from "../config/report.ts";
import { loadConfig } from "../config/source.ts";
import { contractsOf } from "../control/kinds/contract.ts";
import { priceBook } from "../control/kinds/price.ts";
import { PriceBook } from "../decide/price-book.ts";
import { AttemptReader } from "../storage/attempts.ts";
import { controlPathOf } from "../storage/control-files.ts";
import { openControlForReading } from "../storage/control.ts";
import { StorageError } from "../storage/errors.ts";
import type { CommandContext } from "./context.ts";

export interface ReconcileWorld extends RerateWorld {
  readonly dataDir: string;
  readonly attempts: AttemptReader;
}

/** Which configuration and which ledger were looked into: with the wrong one, what is there is unknown. */
export function readFrom({ config, dataDir }: Pick<ReconcileWorld, "config" | "dataDir">): string {
  return `read: the configuration ${config.source}, the data folder ${dataDir} (others: --config, --data-dir)\n`;
}

/** null: something is wrong with the configuration or the data folder, and has been told. To be closed by `attempts.close`. */
export function openReconcileWorld(flags: { readonly config: string | undefined; readonly dataDir: string | undefined }, context: CommandContext): ReconcileWorld | null {
  const { env, errors, catalogue, providers } = context;
  const loaded = loadConfig({ configFile: flags.config ?? null, ...context });
  if (!loaded.ok) {
    for (const error of loaded.errors) errors.write(`${showError(error)}\n`);
    return null;
  }
  const dataDir = flags.dataDir ?? env["SPILLWAY_DATA_DIR"] ?? "./.spillway";
  try {
    return { config: loaded.config, catalogue, providers, ...managed(dataDir), dataDir, attempts: new AttemptReader(dataDir) };
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    errors.write(`spillway: ${error.message}\n`);
    return null;
  }
}

function managed(dataDir: string): Pick<RerateWorld, "book" | "contracts"> {
  const path = controlPathOf(dataDir);
  if (!existsSync(path)) return { book: new PriceBook([]), contracts: [] };
  const reader = openControlForReading(path);
  try {
    return { book: priceBook(reader), contracts: contractsOf(reader.all("contract")) };
  } finally {
    reader.close();
  }
}
