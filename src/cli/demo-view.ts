/** Draws the demo: a picture for terminals, a line for everything else. Pure: a view in, text out. */
import type { DemoView, ProviderView } from "./demo-tally.ts";

const COLORS = [36, 35, 33, 34];
const BAR = 30;
const BLOCKS = " ▁▂▃▄▅▆▇█";
const EIGHTHS = " ▏▎▍▌▋▊▉█";

type Paint = (code: number, text: string) => string;

/** ANSI colours, or none. */
export function painter(colors: boolean): Paint {
  return colors ? (code, text) => `\u001b[${code}m${text}\u001b[0m` : (_code, text) => text;
}

/** The lines of the live picture. */
export function picture(view: DemoView, paint: Paint): string[] {
  const busiest = Math.max(4, ...view.providers.map((provider) => provider.ratePerS));
  const act = view.act === "outage" ? paint(31, "the primary is down") : view.act === "recovery" ? paint(32, "the primary is back") : paint(32, "all is well");
  return [
    "",
    `  ${paint(1, "spillway demo")}   ${clock(view.elapsedMs)} of ${clock(view.totalMs)}   ${act}`,
    "",
    `  ${paint(2, "answers a second")}`,
    ...view.providers.map((provider, at) => providerLine(provider, busiest, COLORS[at % COLORS.length] ?? 36, paint)),
    "",
    `  ${paint(2, "where answers came from, over time")}`,
    ...view.providers.map((provider, at) => `  ${provider.name.padEnd(9)} ${paint(COLORS[at % COLORS.length] ?? 36, strip(provider.history))}`),
    "",
    `  requests ${paint(1, String(view.requests))}   in flight ${view.inFlight}   errors the client saw ${errorsText(view, paint)}`,
    `  first token p50 ${duration(view.firstTokenP50Ms)}   p99 ${duration(view.firstTokenP99Ms)}   ${paint(2, "(last 10 s)")}`,
    `  cost so far ${paint(1, `$${view.costUsd.toFixed(6)}`)}`,
    "",
  ];
}

/** One line of progress, for logs. */
export function plainLine(view: DemoView): string {
  const shares = view.providers.map((provider) => `${provider.name} ${provider.ratePerS.toFixed(1)}/s (${provider.failed} failed)`).join("  ");
  return `${clock(view.elapsedMs)}  ${view.act.padEnd(8)}  ${shares}  requests ${view.requests}  errors ${view.errors}  ` +
    `first token p50 ${duration(view.firstTokenP50Ms)} p99 ${duration(view.firstTokenP99Ms)}  $${view.costUsd.toFixed(6)}`;
}

/** What is left on the screen at the end; of a show that was stopped, only what was seen of it. `backShare`: null where its end was not reached. */
export function summary(view: DemoView, billUsd: number, backShare: number | null, paint: Paint): string[] {
  const stopped = view.elapsedMs < view.totalMs;
  const seen = view.act === "healthy" ? "before the outage" : view.act === "outage" ? "a part of the outage included" : "the outage included";
  const answered = view.requests - view.errors - view.inFlight;
  const unanswered = view.inFlight === 0 ? "" : ` ${view.inFlight} were still waiting.`;
  const failed = view.providers.reduce((sum, provider) => sum + provider.failed, 0);
  return [
    "",
    `  ${paint(1, "What happened")}${stopped ? ` (stopped after ${clock(view.elapsedMs)} of ${clock(view.totalMs)})` : ""}`,
    `  ${view.requests} requests were sent; ${answered} got a whole answer, ${errorsText(view, paint)} an error.${unanswered}`,
    `  ${failed} calls failed at a provider on the way${view.errors === 0 ? "; no client had to know" : ""}.`,
    ...view.providers.map((provider) => `    ${provider.name.padEnd(9)} answered ${String(provider.answered).padStart(4)}, failed ${String(provider.failed).padStart(4)}`),
    `  First token: p50 ${duration(view.firstTokenP50Ms)}, p99 ${duration(view.firstTokenP99Ms)}, ${seen}.`,
    ...(backShare === null ? [] : [`  In the last tenth of the time ${Math.round(backShare * 100)} % of the answers came from the primary again.`]),
    `  Cost by the gateway's ledger $${view.costUsd.toFixed(9)}, by the providers' own bill $${billUsd.toFixed(9)}${view.inFlight === 0 ? "" : ", what was under way included"}.`,
    "",
  ];
}

function providerLine(provider: ProviderView, busiest: number, color: number, paint: Paint): string {
  const failed = provider.failed > 0 ? paint(31, `${provider.failed} failed`) : "";
  return `  ${provider.name.padEnd(9)} ${paint(color, bar(provider.ratePerS / busiest))} ${provider.ratePerS.toFixed(1).padStart(5)}/s  ` +
    `${String(provider.answered).padStart(5)} answered  ${failed}`;
}

function errorsText(view: DemoView, paint: Paint): string {
  if (view.errors === 0) return paint(32, "0");
  return paint(31, `${view.errors} (${view.errorKinds.join(", ")})`);
}

/** A bar of a share from 0 to 1, in eighths of a cell. */
export function bar(share: number): string {
  const eighths = Math.round(Math.min(1, Math.max(0, share)) * BAR * 8);
  const whole = "█".repeat(Math.floor(eighths / 8));
  const part = eighths % 8 === 0 ? "" : (EIGHTHS[eighths % 8] ?? "");
  return (whole + part).padEnd(BAR, "·");
}

function strip(history: readonly number[]): string {
  return history.map((share) => BLOCKS[Math.ceil(share * 8)] ?? " ").join("");
}

function clock(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  return `${String(Math.floor(seconds / 60)).padStart(2, "0")}:${String(seconds % 60).padStart(2, "0")}`;
}

function duration(ms: number | null): string {
  if (ms === null) return "–";
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`;
}
