/** What a command on the same machine asks of a running gateway, through the socket in its data folder. */
import { rotateAdminToken } from "../admin/identity.ts";
import type { HealthBook, HealthRow } from "../decide/health/book.ts";
import type { Managed } from "../control/manage.ts";
import { adjustByFile, type AdjustParts } from "./adjust.ts";
import { LOCAL_ACTOR } from "./control.ts";
import { dryRunByFile, type Weighing } from "./explain.ts";
import { runManage } from "./manage.ts";
import type { Canaries } from "./canary.ts";
import type { Alerts } from "./notify.ts";
import type { Objectives } from "./objectives.ts";
import type { JsonObject } from "../wire/json.ts";
import { importFile } from "./prices.ts";

export interface CommandParts {
  readonly reload: () => Promise<readonly string[]>;
  readonly health: Pick<HealthBook, "snapshot" | "retryAccount">;
  readonly nowMs: () => number;
  readonly wallMs: () => number;
  /** All accounts by name. */
  readonly accounts: () => readonly string[];
  readonly managed: () => Managed;
  readonly folder: string;
  readonly storage: AdjustParts["storage"];
  readonly dryRun: Weighing;
  readonly alerts: Pick<Alerts, "command">;
  readonly objectives: Pick<Objectives, "listing">;
  readonly canaries: Pick<Canaries, "command">;
}

/** A row whose times are those of the wall, as people read them too: health tells them by a clock that begins with the process. */
function byWallClock({ restsUntilMs, pausedUntilMs, excluded, ...row }: HealthRow, aheadMs: number): JsonObject {
  const wallMs = (ms: number): number | null => (ms > 0 && Number.isFinite(ms) ? Math.round(ms + aheadMs) : null);
  const [rests, paused, out] = [wallMs(restsUntilMs), wallMs(pausedUntilMs), wallMs(excluded?.untilMs ?? 0)];
  return {
    ...row, slow: row.slow.map((one) => ({ ...one })),
    restsUntilMs: rests ?? 0, restsUntil: isoOf(rests), pausedUntilMs: paused ?? 0, pausedUntil: isoOf(paused),
    excluded: excluded === null ? null : { ...excluded, untilMs: out, until: isoOf(out) },
  };
}

function isoOf(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}

/** Does it. The answer is JSON; `error` where there is no such command. */
export async function runCommand(parts: CommandParts, command: string, argument: string): Promise<unknown> {
  switch (command) {
    case "reload":
      return { errors: await parts.reload() };
    case "providers":
      return { providers: parts.health.snapshot(parts.nowMs()).map((row) => byWallClock(row, parts.wallMs() - parts.nowMs())) };
    case "import-prices":
      return importFile(parts.managed().store, parts.folder, argument, parts.wallMs());
    case "adjust":
      return await adjustByFile({ storage: parts.storage, store: parts.managed().store, nowMs: parts.wallMs() }, parts.folder, argument);
    case "explain":
      return await dryRunByFile(parts.dryRun, parts.folder, argument);
    case "retry":
      if (!parts.accounts().includes(argument)) return { error: `no provider ${argument} is configured` };
      return { retried: parts.health.retryAccount(argument) };
    case "manage":
      return runManage(parts.managed(), argument);
    case "token":
      return { token: rotateAdminToken(parts.managed().store, LOCAL_ACTOR) };
    case "objectives":
      return parts.objectives.listing();
    case "canary":
      return parts.canaries.command(argument);
    case "notify":
      return await parts.alerts.command(argument);
    default:
      return { error: `unknown command ${command}` };
  }
}
