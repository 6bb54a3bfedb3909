/** What a running gateway stands at, as gauges. */
import type { HealthRow } from "../decide/health/book.ts";

export interface GaugeFacts {
  readonly inFlight: number;
  readonly batches: number;
  readonly alerts: number;
  readonly ready: boolean;
}

/** Name, help and value of each. */
export function gauges(rows: readonly HealthRow[], { inFlight, batches, alerts, ready }: GaugeFacts): readonly (readonly [name: string, help: string, value: number])[] {
  return [
    ["spillway_in_flight", "Requests in flight, to their last byte.", inFlight],
    ["spillway_held_batches", "Batches held until their provider says that they ended.", batches],
    ["spillway_resting_deployments", "Deployments that rest or probe.", rows.filter((row) => row.state !== "admitting").length],
    ["spillway_slow_deployments", "Deployments that rest or probe for requests of an objective that they were too slow for.", rows.filter((row) => row.slow.some((one) => one.state !== "admitting")).length],
    ["spillway_paced_deployments", "Deployments that are called no more often, or no more at once, than they were seen to take.", rows.filter((row) => row.acceptsPerMinute !== null || row.takesAtOnce !== null).length],
    ["spillway_alerts_waiting", "Alerts that wait to be delivered.", alerts],
    ["spillway_ready", "1 while requests are taken.", ready ? 1 : 0],
  ];
}
