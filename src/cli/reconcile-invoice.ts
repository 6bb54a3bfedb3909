/** `spillway reconcile <file>`: a provider's export or invoice beside the ledger, the difference by its causes. */
import { readFileSync, statSync } from "node:fs";
import { adjustmentsOf, dayIn, reconcileLines } from "../compose/reconcile.ts";
import { CAUSES, type Cause, type Reconciled, type Window } from "../decide/reconcile/types.ts";
import { readInvoice, shownText, type CsvField, type InvoiceFormat } from "../providers/invoices/index.ts";
import { usdText } from "../wire/money.ts";
import { EXIT, table, type CommandContext } from "./context.ts";
import { applyAdjustments } from "./reconcile-apply.ts";
import { readFrom, type ReconcileWorld } from "./reconcile-world.ts";

export interface InvoiceFlags {
  readonly file: string;
  readonly format: InvoiceFormat;
  readonly account: string;
  readonly fromMs: number | null;
  readonly toMs: number | null;
  readonly timeZone: string;
  readonly columns: ReadonlyMap<CsvField, string>;
  readonly apply: boolean;
  readonly json: boolean;
  readonly nowMs: number;
}

const LARGEST_FILE_BYTES = 256 << 20;
const SHOWN_FLAGGED = 20;
const MEANING: Readonly<Record<Cause, string>> = {
  estimated: "calls without usage, which we estimated", orphan: "calls of a process that died, estimated", unpriced: "calls whose price we do not know",
  unbilled: "failures that we take for free, and they bill", price: "the same counts at another price", tier: "the same counts in another service tier",
  not_on_invoice: "calls of ours that they do not bill", not_in_ledger: "what they bill and we do not know", boundary: "calls that they count into another day",
  rounding: "digits that one side does not write", unexplained: "not explained by any of these",
};

/** Show the difference, and with `apply` set right what we estimated; gives the exit code. */
export async function invoiceCommand(flags: InvoiceFlags, world: ReconcileWorld, context: CommandContext): Promise<number> {
  const { out, errors } = context;
  const text = textOf(flags.file, context);
  if (text === null) return EXIT.wrong;
  const dayOf = dayIn(flags.timeZone);
  const read = readInvoice(flags.format, text, { columns: flags.columns, dayOf: (day) => boundsOf(day, dayOf) });
  if (!read.ok) {
    for (const { at, message } of read.problems) errors.write(`spillway: ${flags.file}: ${at}: ${message}\n`);
    errors.write(`spillway: nothing was taken from it, and nothing was changed\n`);
    return EXIT.wrong;
  }
  const reply = reconcileLines(world, world.attempts, { ...flags, lines: read.lines });
  if (reply.kind === "refused") {
    errors.write(`spillway: ${reply.message}\n${readFrom(world)}`);
    return EXIT.wrong;
  }
  const { result, window, paidByTeams } = reply;
  const adjustments = adjustmentsOf(result.evidence);
  if (flags.json) out.write(`${JSON.stringify(jsonOf(flags, window, result, adjustments.length))}\n`);
  else out.write(textTable(flags, window, result, paidByTeams, adjustments.length));
  if (!flags.apply || adjustments.length === 0) return EXIT.ok;
  const note = `${flags.format} of ${flags.account}: ${shownText(flags.file)}`;
  return await applyAdjustments({ reason: "reconcile", note, adjustments }, world, flags.json ? { ...context, out: errors } : context, flags.nowMs);
}

function textOf(file: string, { errors }: CommandContext): string | null {
  try {
    if (statSync(file).size <= LARGEST_FILE_BYTES) return readFileSync(file, "utf8");
    errors.write(`spillway: ${file} is larger than 256 MiB; reconcile a shorter time\n`);
  } catch (error) {
    errors.write(`spillway: ${file} cannot be read: ${(error as Error).message}\n`);
  }
  return null;
}

/** The bounds of a day of the zone by its date. */
function boundsOf(day: string, dayOf: (ms: number) => Window): Window | null {
  const noon = Date.parse(`${day}T12:00:00Z`);
  if (Number.isNaN(noon)) return null;
  // Noon in Greenwich is on another date in the zones of the far east.
  const found = [0, -43_200_000, 43_200_000].map((away) => dayOf(noon + away));
  const middle = (window: Window): number => (window.fromMs + window.toMs) / 2;
  return found.toSorted((a, b) => Math.abs(middle(a) - noon) - Math.abs(middle(b) - noon))[0] ?? null;
}

function share(part: bigint, whole: bigint): string {
  return whole === 0n ? (part === 0n ? "0" : "100") : (Number((part * 1_000_000n) / (whole < 0n ? -whole : whole)) / 10_000).toString();
}

function usd(nanoUsd: bigint): string {
  return usdText(Number(nanoUsd));
}

function causes(result: Reconciled): readonly { readonly cause: Cause; readonly nanoUsd: bigint; readonly count: number }[] {
  return CAUSES.flatMap((cause) => {
    const parts = result.differences.filter((one) => one.cause === cause);
    return parts.length === 0 ? [] : [{ cause, nanoUsd: parts.reduce((sum, one) => sum + one.nanoUsd, 0n), count: parts.reduce((sum, one) => sum + one.count, 0) }];
  });
}

function jsonOf(flags: InvoiceFlags, window: Window, result: Reconciled, adjustable: number) {
  const { theirsNanoUsd, oursNanoUsd, calls, lines, valued, unexplainedNanoUsd, flagged, flaggedCount, notes } = result;
  return {
    account: flags.account, format: flags.format, from: new Date(window.fromMs).toISOString(), to: new Date(window.toMs).toISOString(), lines, calls,
    invoice_usd: usd(theirsNanoUsd), ledger_usd: usd(oursNanoUsd), difference_usd: usd(theirsNanoUsd - oursNanoUsd), valued_at_our_prices: valued,
    unexplained_usd: usd(unexplainedNanoUsd), unexplained_percent: Number(share(unexplainedNanoUsd, theirsNanoUsd)),
    causes: Object.fromEntries(causes(result).map(({ cause, nanoUsd, count }) => [cause, { difference_usd: usd(nanoUsd), count }])),
    by_model: result.differences.map(({ cause, model, nanoUsd, count }) => ({ cause, model, difference_usd: usd(nanoUsd), count })),
    flagged: flagged.map(({ cause, at, model, nanoUsd }) => ({ cause, at, model, difference_usd: usd(nanoUsd) })), flagged_count: flaggedCount,
    estimates_with_evidence: adjustable, notes,
  };
}

function textTable(flags: InvoiceFlags, window: Window, result: Reconciled, paidByTeams: number, adjustable: number): string {
  const { theirsNanoUsd, oursNanoUsd, valued, unexplainedNanoUsd, flagged, flaggedCount, notes } = result;
  const day = (ms: number): string => new Date(ms).toISOString().replace(":00.000Z", "Z");
  const head = `${flags.account}, ${day(window.fromMs)} to ${day(window.toMs)}: ${result.lines === 1 ? "1 line" : `${result.lines} lines`}, ${result.calls === 1 ? "1 call" : `${result.calls} calls`}\n`;
  const rows = [
    [valued ? "their counts at our prices" : "their invoice", usd(theirsNanoUsd), "", ""],
    ["the ledger", usd(oursNanoUsd), "", ""],
    ["difference", usd(theirsNanoUsd - oursNanoUsd), "", ""],
    ...causes(result).map(({ cause, nanoUsd, count }) => [`  ${cause}`, usd(nanoUsd), String(count), MEANING[cause]]),
  ];
  const end = `unexplained: ${share(unexplainedNanoUsd, theirsNanoUsd)} % of the invoice\n`;
  const looked = flagged.slice(0, SHOWN_FLAGGED).map(({ cause, at, model, nanoUsd }) => [cause, shownText(at), shownText(model), usd(nanoUsd)]);
  const more = flaggedCount > SHOWN_FLAGGED ? `  and ${flaggedCount - SHOWN_FLAGGED} more\n` : "";
  const list = looked.length === 0 ? "" : `to be looked at:\n${table(looked)}${more}`;
  const said = [...notes, ...(paidByTeams > 0 ? [`${paidByTeams === 1 ? "1 call was" : `${paidByTeams} calls were`} paid by teams' own credentials, which have invoices of their own`] : []), ...(adjustable > 0 && !flags.apply ? [`${adjustable === 1 ? "1 estimate" : `${adjustable} estimates`} can be set right by this evidence: --apply`] : [])];
  return `${head}${table(rows)}${end}${list}${said.map((note) => `${note}\n`).join("")}`;
}
