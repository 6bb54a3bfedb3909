/** Lines that name their call, one by one beside the calls of the ledger. */
import type { InvoiceLine } from "../../wire/invoice.ts";
import type { UnitCounts } from "../../wire/usage.ts";
import { tierName } from "../price-at.ts";
import { addInto, asInvoiced, sameCounts, tierOfCall } from "./counts.ts";
import { size, type Findings } from "./findings.ts";
import type { Evidence, LedgerCall, ValueOf } from "./types.ts";

export interface MatchedCalls {
  /** Calls that no line names. */
  readonly restCalls: readonly LedgerCall[];
  readonly matched: number;
  readonly theirsNanoUsd: bigint;
  readonly oursNanoUsd: bigint;
  readonly evidence: readonly Evidence[];
}

/** What all lines of one call say together. */
interface Said {
  readonly costNanoUsd: number;
  readonly units: UnitCounts | null;
  readonly tier: string | null;
  readonly roundedNanoUsd: number;
  readonly at: string;
}
/** Calls at a price that only many of them together can show to be one. */
interface Unsaid {
  readonly call: LedgerCall;
  readonly said: Said;
}

/** Match by the call's id, else by its request's where that had one call here that can have been billed. */
export function matchCalls(calls: readonly LedgerCall[], lines: readonly InvoiceLine[], valueOf: ValueOf, findings: Findings): MatchedCalls {
  const find = finder(calls);
  const groups = new Map<LedgerCall, InvoiceLine[]>();
  let theirsNanoUsd = 0n;
  for (const line of lines) {
    const call = find(line.ids);
    if (call === null) {
      const cost = BigInt(line.costNanoUsd ?? 0);
      theirsNanoUsd += cost;
      findings.add("not_in_ledger", line.model ?? "?", cost, line.at);
      if (line.costNanoUsd === null) findings.notes.push(`${line.at} names a call that is not in the ledger, and tells no cost`);
      continue;
    }
    const group = groups.get(call);
    if (group === undefined) groups.set(call, [line]);
    else group.push(line);
  }
  const evidence: Evidence[] = [];
  const unsaid: Unsaid[] = [];
  let oursNanoUsd = 0n;
  for (const [call, group] of groups) {
    const said = saidOf(call, group, valueOf, findings);
    oursNanoUsd += BigInt(call.costNanoUsd ?? 0);
    if (said === null) {
      findings.notes.push(`${call.attemptId} of ${call.model} has counts on the invoice and no known price`);
      findings.add("unexplained", call.model, -BigInt(call.costNanoUsd ?? 0), call.attemptId);
      continue;
    }
    theirsNanoUsd += BigInt(said.total);
    if (!explained(call, said, valueOf, findings)) unsaid.push({ call, said });
    const units = said.units ?? asInvoiced(call.units);
    if (call.state === "estimated" && said.costNanoUsd >= 0) evidence.push({ call, units, costNanoUsd: said.costNanoUsd });
  }
  atOnePrice(unsaid, findings);
  return { restCalls: calls.filter((call) => !groups.has(call)), matched: groups.size, theirsNanoUsd, oursNanoUsd, evidence };
}

function finder(calls: readonly LedgerCall[]): (ids: readonly string[]) => LedgerCall | null {
  const byId = new Map(calls.map((call) => [call.attemptId, call]));
  const byRequest = new Map<string, LedgerCall[]>();
  for (const call of calls) {
    const known = byRequest.get(call.requestId);
    if (known === undefined) byRequest.set(call.requestId, [call]);
    else known.push(call);
  }
  return (ids) => {
    for (const id of ids) {
      const own = byId.get(id);
      if (own !== undefined) return own;
      const ofRequest = byRequest.get(id) ?? [];
      const billed = ofRequest.filter(({ state }) => state !== "unbilled");
      const [only] = ofRequest.length === 1 ? ofRequest : billed;
      if (only !== undefined && (ofRequest.length === 1 || billed.length === 1)) return only;
    }
    return null;
  };
}

/** null: there is nothing that gives it a cost. */
function saidOf(call: LedgerCall, lines: readonly InvoiceLine[], valueOf: ValueOf, findings: Findings): (Said & { readonly total: number }) | null {
  const [first] = lines;
  if (first === undefined) return null;
  const same = lines.length > 1 && lines.every(({ costNanoUsd, units }) => costNanoUsd === first.costNanoUsd && (units === null ? first.units === null : first.units !== null && sameCounts(units, first.units)));
  const own = same ? [first] : lines;
  const counted = own.filter(({ units }) => units !== null);
  let units: UnitCounts | null = null;
  if (counted.length > 0) {
    units = {};
    for (const line of counted) addInto(units, line.units ?? {});
  }
  const tier = own.map((line) => tierName(line.tier ?? undefined)).find((one) => one !== null) ?? null;
  const priced = own.some(({ costNanoUsd }) => costNanoUsd !== null);
  const costNanoUsd = priced ? own.reduce((sum, line) => sum + (line.costNanoUsd ?? 0), 0) : units === null ? null : valueOf(call.deployment, { ...units, requests: call.units.requests ?? 0 }, call.atMs, tier ?? tierOfCall(call));
  if (costNanoUsd === null) return null;
  // The same line again is another charge for one call.
  const again = lines.length - own.length;
  if (again > 0) findings.add("not_in_ledger", call.model, BigInt(costNanoUsd) * BigInt(again), `${lines.at(-1)?.at ?? ""} (${call.attemptId} again)`, again);
  return { costNanoUsd, units, tier, roundedNanoUsd: own.reduce((sum, line) => sum + line.roundedNanoUsd, 0), at: first.at, total: costNanoUsd * (again + 1) };
}

/** False: the call alone cannot tell. */
function explained(call: LedgerCall, said: Said, valueOf: ValueOf, findings: Findings): boolean {
  const by = BigInt(said.costNanoUsd) - BigInt(call.costNanoUsd ?? 0);
  const at = `${said.at} (${call.attemptId})`;
  const tell = (cause: Parameters<Findings["add"]>[0], nanoUsd = by): true => {
    findings.add(cause, call.model, nanoUsd, at);
    return true;
  };
  if (by === 0n) return true;
  if (call.state === "unbilled") return tell("unbilled");
  if (call.costNanoUsd === null) return tell("unpriced");
  if (call.state === "estimated") return tell(call.flags.includes("orphan") ? "orphan" : "estimated");
  if (size(by) <= BigInt(Math.max(1, Math.ceil(said.roundedNanoUsd)))) return tell("rounding");
  if (said.units === null) return false;
  if (sameCounts(asInvoiced(call.units), said.units)) return tell(said.tier !== null && said.tier !== tierOfCall(call) ? "tier" : "price");
  // Of a call that told its usage they count something else: so much is no matter of prices.
  const theirCounts = valueOf(call.deployment, { ...said.units, requests: call.units.requests ?? 0 }, call.atMs, tierOfCall(call));
  if (theirCounts === null) return tell("unexplained");
  tell("unexplained", BigInt(theirCounts - call.costNanoUsd));
  return tell("price", BigInt(said.costNanoUsd - theirCounts));
}

const FEW = 3;

/** Costs without counts: where all calls of a model differ by one factor, it is their price that differs. */
function atOnePrice(unsaid: readonly Unsaid[], findings: Findings): void {
  for (const model of new Set(unsaid.map(({ call }) => call.model))) {
    const group = unsaid.filter(({ call }) => call.model === model);
    const ours = group.reduce((sum, { call }) => sum + BigInt(call.costNanoUsd ?? 0), 0n);
    const theirs = group.reduce((sum, { said }) => sum + BigInt(said.costNanoUsd), 0n);
    const fits = ({ call, said }: Unsaid): boolean => {
      const expected = ours === 0n ? 0n : (BigInt(call.costNanoUsd ?? 0) * theirs) / ours;
      return size(BigInt(said.costNanoUsd) - expected) <= BigInt(Math.max(2, Math.ceil(said.roundedNanoUsd), Math.ceil(said.costNanoUsd / 1000)));
    };
    const cause = group.length >= FEW && group.every(fits) ? "price" : "unexplained";
    for (const { call, said } of group) findings.add(cause, model, BigInt(said.costNanoUsd) - BigInt(call.costNanoUsd ?? 0), `${said.at} (${call.attemptId})`);
  }
}
