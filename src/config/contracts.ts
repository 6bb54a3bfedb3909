/** The section `contracts`: what was agreed with providers, by the accounts of this file. */
import { createHash } from "node:crypto";
import { contract } from "../control/kinds/contract.ts";
import { overlaps } from "../decide/contract/covers.ts";
import { readContract } from "../decide/contract/read.ts";
import type { Contract } from "../decide/contract/types.ts";
import { asString, isObject, type Json, type JsonObject } from "../wire/json.ts";
import type { Finding } from "./document.ts";
import { bodiesOf } from "./money-limits.ts";
import type { Raw } from "./raw.ts";
import { hintNearest } from "./report.ts";

/** Contracts by their ids, in file order. */
export function readContracts(section: Raw, accountNames: ReadonlySet<string>, found: Finding[]): readonly Contract[] {
  const contracts: Contract[] = [];
  for (const [id, entry] of Object.entries(section)) {
    const account = isObject(entry as Json) ? asString((entry as JsonObject)["account"]) : undefined;
    if (account !== undefined && account !== "" && !accountNames.has(account)) found.push({ path: ["contracts", id, "account"], expected: "an account from providers", found: JSON.stringify(account), hint: hintNearest(account, accountNames) });
  }
  for (const { id, body } of bodiesOf("contracts", contract, section, found)) {
    const read = readContract(body, id, versionOf(body));
    if (!read.ok) continue;
    for (const { message } of overlaps(read.contract, contracts)) found.push({ path: ["contracts", id], expected: "one contract for a model at a time", found: "two", hint: message, at: "key" });
    contracts.push(read.contract);
  }
  return contracts;
}

/** Changes exactly when something of it does. */
function versionOf(body: JsonObject): string {
  return createHash("sha256").update(JSON.stringify(body)).digest("hex").slice(0, 8);
}
