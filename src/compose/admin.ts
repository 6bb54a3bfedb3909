/** The admin API of a running gateway, over its store and its configuration. */
import { dirname } from "node:path";
import { adminApi, type AdminApi, type ApiSettings } from "../admin/api.ts";
import type { ExplainSettings } from "../admin/explain.ts";
import type { FeedbackSettings } from "../admin/feedback.ts";
import { firstAdminToken, Identities } from "../admin/identity.ts";
import type { Config } from "../config/types.ts";
import type { Managed } from "../control/manage.ts";
import type { LeftOut } from "../control/kinds/contract.ts";
import { recordOf } from "../control/kinds/price.ts";
import type { BudgetBook } from "../decide/budget/book.ts";
import { viewOf } from "../decide/budget/view.ts";
import type { Caller, Log } from "../ports.ts";
import { controlPathOf } from "../storage/control-files.ts";
import { QueryThread } from "../storage/queries.ts";
import { asString } from "../wire/json.ts";
import { VERSION } from "../version.ts";
import { baseOf, configuredObjects } from "./configured.ts";
import { LOCAL_ACTOR } from "./control.ts";
import { priceLeftOut } from "./prices.ts";

export interface AdminParts {
  readonly managed: Managed;
  readonly config: () => Config;
  /** Managed contracts that do not count beside the configuration's. */
  readonly contractsLeftOut: () => readonly LeftOut[];
  /** Whose key has this hash. */
  readonly callerOf: (sha256: string) => Caller | undefined;
  readonly log: Log;
  readonly book: BudgetBook;
  readonly objectives: ApiSettings["objectives"];
  readonly trials: ApiSettings["trials"];
  /** The data folder's. */
  readonly ledgerPath: string;
  readonly wallMs: () => number;
  readonly feedback: NonNullable<FeedbackSettings["feedback"]>;
  readonly dryRun: NonNullable<ExplainSettings["dryRun"]>;
}

export interface OpenAdmin extends AdminApi {
  /** The administrator's token, if this is the first start on its folder: shown once. */
  readonly firstToken: string | null;
  /** Does this header show an owner of the organisation that runs the place, who may see what budgets of all stand at? */
  readonly mindsMoney: (authorization: string | undefined) => boolean;
  close(): Promise<void>;
}

/** Opens the API; makes the administrator's token where there was none. */
export function openAdmin(parts: AdminParts): OpenAdmin {
  const { managed, config, log } = parts;
  const firstToken = firstAdminToken(managed.store, LOCAL_ACTOR);
  const identities = new Identities(managed.store, parts.callerOf);
  const queries = new QueryThread({ ledgerPath: parts.ledgerPath, controlPath: controlPathOf(dirname(parts.ledgerPath)) });
  const api = adminApi({
    managed,
    queries,
    nowMs: parts.wallMs,
    feedback: parts.feedback,
    dryRun: parts.dryRun,
    objectives: parts.objectives,
    trials: parts.trials,
    providerOf: (account) => config().accounts.find(({ name }) => name === account)?.provider.name ?? null,
    teamName: (tenant, id) => teamName(managed, tenant, id),
    standing: (budgetId) => [...parts.book.accounts.values()].filter(({ budget }) => baseOf(budget.id) === budgetId && budget.period !== "request").map((account) => viewOf(account, parts.wallMs())),
    configured: (kind) => configuredObjects(kind, config()),
    leftOut: (kind, id) => leftOut(parts, kind, id),
    configSource: () => config().source,
    identify: (authorization) => identities.find(authorization),
    onCrash: (path, error) => log.error("admin_request_crashed", { path, error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
    version: VERSION,
  });
  const mindsMoney = (authorization: string | undefined): boolean => {
    const actor = identities.find(authorization);
    return actor?.tenant === "default" && actor.role === "owner";
  };
  return { ...api, firstToken, mindsMoney, close: () => queries.close() };
}

/** Why a stored contract or price is of no effect as the configuration is now. */
function leftOut({ managed, config, contractsLeftOut }: AdminParts, kind: string, id: string): string | undefined {
  if (kind === "contract") return contractsLeftOut().find((one) => one.id === id)?.message;
  const object = kind === "price" ? managed.store.get(kind, id) : undefined;
  const record = object === undefined ? null : recordOf(object);
  return record === null ? undefined : priceLeftOut(config(), record);
}

function teamName({ store }: Managed, tenant: string, id: string): string | null {
  const team = store.get("team", id);
  return team?.tenant === tenant ? (asString(team.body["name"]) ?? null) : null;
}
