/** Joins a configuration with the catalogue: everything a request is decided on, swapped as one when either changes. */
import { mergeContracts, type LeftOut } from "../control/kinds/contract.ts";
import { CapacityBook } from "../decide/contract/meter.ts";
import type { Contract } from "../decide/contract/types.ts";
import type { Deployment } from "../decide/deployment.ts";
import { buildDirectory, type DirectoryProblem } from "../decide/directory.ts";
import type { Directory } from "../decide/names.ts";
import { PriceBook } from "../decide/price-book.ts";
import type { CatalogueLookups } from "../decide/supply.ts";
import type { ProviderFacts } from "../wire/facts.ts";
import { showPath } from "./document.ts";
import type { Account, Config } from "./types.ts";

export interface Snapshot {
  readonly config: Config;
  readonly directory: Directory;
  /** Known beforehand, by id; `account/anything` may resolve to others. */
  readonly deployments: ReadonlyMap<string, Deployment>;
  readonly accounts: ReadonlyMap<string, Account>;
  /** The configuration's and the stored ones. */
  readonly contracts: readonly Contract[];
  /** Stored ones that do not count beside them, with the reason. */
  readonly contractsLeftOut: readonly LeftOut[];
  /** What they have left; to be handed on to the next snapshot. */
  readonly capacity: CapacityBook;
  /** Candidates and aliases that lead nowhere, one sentence each: a configuration with any is refused. */
  readonly problems: readonly string[];
  readonly findings: readonly DirectoryProblem[];
}

/** Managed prices, and when they are looked at. */
export interface SnapshotPrices {
  readonly book?: PriceBook;
  readonly wallMs: number;
}

/** Stored contracts beside the configuration's, and what was counted of them before. */
export interface SnapshotContracts {
  readonly stored?: readonly Contract[];
  readonly book?: CapacityBook;
}

/** What is managed and what the configuration says; undefined: nothing at all. */
function bookOf(config: Config, prices: SnapshotPrices | undefined): PriceBook | undefined {
  const { prices: own } = config;
  return own.length === 0 ? prices?.book : (prices?.book ?? new PriceBook([])).with(own);
}

/** Build the snapshot. Pure; a few ms. */
export function buildSnapshot(config: Config, catalogue: CatalogueLookups, providers: ReadonlyMap<string, ProviderFacts>, prices?: SnapshotPrices, agreed?: SnapshotContracts): Snapshot {
  const { contracts, leftOut } = mergeContracts(config.contracts, agreed?.stored ?? []);
  const capacity = agreed?.book ?? new CapacityBook();
  capacity.keepOnly(contracts);
  const { accounts, routes, aliases, fallbacks, unpriced } = config;
  const built = buildDirectory({ accounts, routes, aliases, fallbacks, unpriced, catalogue, providers, prices: bookOf(config, prices), wallMs: prices?.wallMs, contracts: contracts.length === 0 ? undefined : { list: contracts, book: capacity } });
  return {
    config,
    directory: built.directory,
    deployments: built.deployments,
    contracts,
    contractsLeftOut: leftOut,
    capacity,
    accounts: new Map(accounts.map((account) => [account.name, account])),
    problems: built.problems.map((problem) => `${config.source}: ${showPath(problem.path)}: ${problem.message}`),
    findings: built.problems,
  };
}
