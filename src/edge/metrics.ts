/**
 * A dozen Prometheus series, derived from records and answers alone. Counters live in typed arrays: adding to one costs
 * nanoseconds, text is made when somebody asks.
 */
import type { RequestRecord } from "../ports.ts";
import { inputTokens, outputTokens } from "../wire/usage.ts";

const LATENCY_BOUNDS_S = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];

class Histogram {
  readonly #counts = new Float64Array(LATENCY_BOUNDS_S.length + 1);
  #sum = 0;

  add(seconds: number): void {
    let i = 0;
    while (i < LATENCY_BOUNDS_S.length && seconds > (LATENCY_BOUNDS_S[i] as number)) i++;
    this.#counts[i] = (this.#counts[i] as number) + 1;
    this.#sum += seconds;
  }

  text(name: string, help: string): string {
    let total = 0;
    let out = `# HELP ${name} ${help}\n# TYPE ${name} histogram\n`;
    for (let i = 0; i < LATENCY_BOUNDS_S.length; i++) {
      total += this.#counts[i] as number;
      out += `${name}_bucket{le="${LATENCY_BOUNDS_S[i]}"} ${total}\n`;
    }
    total += this.#counts[LATENCY_BOUNDS_S.length] as number;
    return `${out}${name}_bucket{le="+Inf"} ${total}\n${name}_sum ${this.#sum}\n${name}_count ${total}\n`;
  }
}

/** Counters by label values; label sets come from configuration and from our own words, so they are few. */
class Counter {
  readonly #values = new Map<string, { amount: number }>();
  /** What was added to last, and its labels: nearly all requests are like the one before. */
  #last: { amount: number } | null = null;
  #lastLabels: readonly string[] = [];
  readonly #name: string;
  readonly #help: string;
  readonly #labels: readonly string[];

  constructor(name: string, help: string, labels: readonly string[]) {
    this.#name = name;
    this.#help = help;
    this.#labels = labels;
  }

  add(amount: number, ...values: readonly string[]): void {
    if (this.#last !== null && sameLabels(values, this.#lastLabels)) {
      this.#last.amount += amount;
      return;
    }
    const key = values.join("\u0000");
    let cell = this.#values.get(key);
    if (cell === undefined) {
      if (this.#values.size >= 5_000) return;
      this.#values.set(key, (cell = { amount: 0 }));
    }
    cell.amount += amount;
    this.#last = cell;
    this.#lastLabels = values;
  }

  text(): string {
    let out = `# HELP ${this.#name} ${this.#help}\n# TYPE ${this.#name} counter\n`;
    for (const [key, { amount }] of this.#values) {
      const parts = key.split("\u0000");
      const labels = this.#labels.map((label, i) => `${label}="${escape(parts[i] ?? "")}"`).join(",");
      out += `${this.#name}${labels === "" ? "" : `{${labels}}`} ${amount}\n`;
    }
    return out;
  }
}

function sameLabels(left: readonly string[], right: readonly string[]): boolean {
  for (let i = 0; i < left.length; i++) if (left[i] !== right[i]) return false;
  return true;
}

function escape(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

/** Before what a limit on pace counts, among a record's flags. */
const LIMITED = "rate_limited:";

export class Metrics {
  readonly #requests = new Counter("spillway_requests_total", "Finished requests.", ["surface", "outcome", "status"]);
  readonly #refused = new Counter("spillway_refused_total", "Requests answered with an error before any attempt.", ["status"]);
  readonly #limited = new Counter("spillway_rate_limited_total", "Requests refused by a limit on pace, by what it counts: requests, tokens, concurrency.", ["what"]);
  readonly #attempts = new Counter("spillway_attempts_total", "Upstream calls.", ["deployment", "outcome"]);
  readonly #failovers = new Counter("spillway_failovers_total", "Requests that needed more than one attempt and were answered.", []);
  readonly #cost = new Counter("spillway_cost_nano_usd_total", "Cost of attempts in nano-dollars, metered ones only.", ["deployment"]);
  readonly #input = new Counter("spillway_input_tokens_total", "Prompt tokens, all classes.", ["deployment"]);
  readonly #output = new Counter("spillway_output_tokens_total", "Answer tokens, reasoning included.", ["deployment"]);
  readonly #estimated = new Counter("spillway_estimated_charges_total", "Charges without the provider's usage.", ["deployment"]);
  readonly #ttft = new Histogram();
  readonly #total = new Histogram();

  observe(record: RequestRecord): void {
    this.#requests.add(1, record.surface, record.outcome, String(record.status));
    if (record.errorCode === "rate_limited") this.#limited.add(1, record.flags.find((flag) => flag.startsWith(LIMITED))?.slice(LIMITED.length) ?? "");
    if (record.outcome === "ok" && record.attempts.length > 1) this.#failovers.add(1);
    for (const attempt of record.attempts) {
      this.#attempts.add(1, attempt.deployment, attempt.outcome);
      if (attempt.costNanoUsd !== null) this.#cost.add(attempt.costNanoUsd, attempt.deployment);
      this.#input.add(inputTokens(attempt.units), attempt.deployment);
      this.#output.add(outputTokens(attempt.units), attempt.deployment);
      if (attempt.state === "estimated") this.#estimated.add(1, attempt.deployment);
    }
    if (record.ttftMs !== null) this.#ttft.add(record.ttftMs / 1000);
    this.#total.add(record.totalMs / 1000);
  }

  /** An answer without an exchange: a refusal at the door. */
  refused(status: number): void {
    this.#refused.add(1, String(status));
  }

  /** Prometheus text format 0.0.4. `gauges`: name, help, value. */
  text(gauges: readonly (readonly [string, string, number])[]): string {
    const counters = [this.#requests, this.#refused, this.#limited, this.#attempts, this.#failovers, this.#cost, this.#input, this.#output, this.#estimated];
    return (
      counters.map((one) => one.text()).join("") +
      this.#ttft.text("spillway_first_content_seconds", "From request to first content.") +
      this.#total.text("spillway_request_seconds", "From request to the end of its answer.") +
      gauges.map(([name, help, value]) => `# HELP ${name} ${help}\n# TYPE ${name} gauge\n${name} ${value}\n`).join("")
    );
  }
}
