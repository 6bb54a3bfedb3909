/** A promise in a few words, as its owner wrote it: for tables and for a look at a configuration. */
import type { Objective } from "../decide/objective/types.ts";
import { showMs } from "./context.ts";

export type Promised = Pick<Objective, "kind" | "target" | "within" | "atLeast" | "unit">;

/** What is promised of it. */
export function promiseText({ kind, target, within, atLeast, unit }: Promised): string {
  if (kind === "error_rate") return `at most ${percentText(1 - target)} fail`;
  if (kind === "output_rate") return `${percentText(target)} at ${atLeast} tokens/s`;
  if (kind === "throughput") return `${percentText(target)} of minutes with ${atLeast} ${unit ?? "requests"}`;
  if (within.length === 0) return percentText(target);
  const sizes = within.map(({ upToInputTokens: upTo, withinMs }, i) => `${showMs(withinMs)}${upTo === null ? (i > 0 ? " beyond" : "") : ` up to ${upTo} tokens`}`);
  return `${percentText(target)} in ${sizes.join(", ")}`;
}

/** Over what it is kept: `30d`, `12h`, `month`, `month of Europe/Berlin`. */
export function windowText(hours: number | null, zone: string): string {
  if (hours === null) return zone === "UTC" ? "month" : `month of ${zone}`;
  return hours % 24 === 0 ? `${hours / 24}d` : `${hours}h`;
}

/** Both, under its name. */
export function objectiveText(objective: Objective): string {
  const { kind, window } = objective;
  const over = window.kind === "rolling" ? windowText(window.lengthMs / 3_600_000, "") : windowText(null, window.zone);
  return `${kind}: ${promiseText(objective)}, over ${window.kind === "rolling" ? over : `a ${over}`}`;
}

/** A share as a percentage, without the noise of binary fractions. */
export function percentText(share: number): string {
  return `${Number((share * 100).toFixed(3))}%`;
}
