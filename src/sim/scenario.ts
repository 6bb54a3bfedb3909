/** Shapes of real incidents, as data: phases with a mix of what happens to calls. The same files that the fleet of simulated providers plays. */
import { z } from "zod";
import type { Fault, Phase } from "./world.ts";

const mixItem = z.object({
  p: z.number().min(0).max(1),
  status: z.number().int().optional(),
  ok: z.boolean().optional(),
  delay_before_headers_ms: z.number().nonnegative().optional(),
  sse_error_after_events: z.number().int().nonnegative().optional(),
  close_after_events: z.number().int().nonnegative().optional(),
  reset_after_events: z.number().int().nonnegative().optional(),
  timeout: z.unknown().optional(),
  connect: z.unknown().optional(),
  retry_after_s: z.number().nonnegative().optional(),
});
const phase = z.object({
  from_s: z.number().nonnegative(),
  to_s: z.number().positive(),
  mix: z.array(mixItem).optional(),
  paths: z.array(z.string()).optional(),
  rate_cap_per_min: z.number().positive().optional(),
});
export const scenarioSchema = z.object({ id: z.string(), phases: z.array(phase).min(1) });
export type Scenario = z.infer<typeof scenarioSchema>;

/** A file's scenario by its id. */
export function scenarioOf(file: unknown, id: string): Scenario {
  const found = z.array(z.looseObject({ id: z.string() })).parse(file).find((one) => one.id === id);
  if (found === undefined) throw new Error(`the file has no scenario "${id}"`);
  return scenarioSchema.parse(found);
}

/** A stream's first event carries its role; content comes after it. */
const EVENTS_BEFORE_CONTENT = 1;
const CHAT_PATH = "/v1/chat/completions";

/** Its phases from a time on, for a deployment that serves chat. */
export function scenarioPhases({ id, phases }: Scenario, startMs: number): readonly Phase[] {
  return phases
    .filter(({ paths }) => paths === undefined || paths.includes(CHAT_PATH))
    .map(({ from_s, to_s, mix, rate_cap_per_min }) => ({
      fromMs: startMs + from_s * 1_000,
      toMs: startMs + to_s * 1_000,
      incident: id,
      faults: (mix ?? []).flatMap(faultOf),
      ...(rate_cap_per_min === undefined ? {} : { capPerMin: rate_cap_per_min }),
    }));
}

function faultOf(item: z.infer<typeof mixItem>): readonly Fault[] {
  const { p, status, delay_before_headers_ms: delayMs, sse_error_after_events: errorAfter, close_after_events: closeAfter, reset_after_events: resetAfter } = item;
  if (item.ok === true) return delayMs === undefined ? [{ kind: "delay", p, ms: 0 }] : [{ kind: "delay", p, ms: delayMs }];
  if (item.timeout !== undefined) return [{ kind: "stall", p }];
  if (item.connect !== undefined) return [{ kind: "refuse", p, status: 0, connect: true }];
  const brokenAfter = errorAfter ?? closeAfter ?? resetAfter;
  if (brokenAfter !== undefined) return brokenAfter <= EVENTS_BEFORE_CONTENT ? [{ kind: "fail-first", p, status: 529 }] : [{ kind: "break", p }];
  if (status !== undefined) return [{ kind: "refuse", p, status, ...(item.retry_after_s === undefined ? {} : { retryAfterMs: item.retry_after_s * 1_000 }) }];
  return [];
}
