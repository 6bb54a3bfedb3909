/** Which deployments a contract covers, and which two contracts would cover one at the same time. */
import { showDate } from "./calendar.ts";
import type { Contract, ContractProblem } from "./types.ts";

/** Does the contract cover this model of its account? */
export function coversModel(contract: Pick<Contract, "models" | "except">, upstream: string): boolean {
  return contract.models.some((pattern) => fits(pattern, upstream)) && !contract.except.some((pattern) => fits(pattern, upstream));
}

/** Does it cover `account/upstream`? */
export function coversDeployment(contract: Contract, deployment: string): boolean {
  const slash = deployment.indexOf("/");
  return deployment.slice(0, Math.max(0, slash)) === contract.account && coversModel(contract, deployment.slice(slash + 1));
}

/** Is the term running at this instant? */
export function runsAt(contract: Pick<Contract, "startMs" | "endMs">, atMs: number): boolean {
  return atMs >= contract.startMs && (contract.endMs === null || atMs < contract.endMs);
}

/** The one contract that covers a deployment at an instant. */
export function contractOf(contracts: readonly Contract[], deployment: string, atMs: number): Contract | null {
  return contracts.find((contract) => runsAt(contract, atMs) && coversDeployment(contract, deployment)) ?? null;
}

/** What speaks against having this contract beside the others: models that another covers at the same time. */
export function overlaps(contract: Contract, others: readonly Contract[]): readonly ContractProblem[] {
  return others.flatMap((other) => {
    if (other.id === contract.id || other.account !== contract.account) return [];
    const apart = (contract.endMs !== null && contract.endMs <= other.startMs) || (other.endMs !== null && other.endMs <= contract.startMs);
    const pattern = apart ? null : sharedPattern(contract, other);
    if (pattern === null) return [];
    const later = contract.startMs >= other.startMs ? contract : other;
    return [{ field: "models", message: `${pattern} of ${contract.account} is covered by the contract ${other.id} as well, from ${showDate(later.start)} on; name it under except of one of them` }];
  });
}

/** A pattern of one that meets one of the other, with neither side leaving it out; null: no model can be of both. */
function sharedPattern(a: Contract, b: Contract): string | null {
  for (const one of a.models) {
    for (const other of b.models) {
      if (!meet(one, other)) continue;
      // A pattern leaves out another whole if it fits its text: then it fits everything that the other does.
      const left = (except: readonly string[]) => except.some((pattern) => fits(pattern, one) || fits(pattern, other));
      if (!left(a.except) && !left(b.except)) return one === "*" ? other : one;
    }
  }
  return null;
}

/** Does a text fit a pattern in which `*` is any run of characters? */
export function fits(pattern: string, text: string): boolean {
  let at = 0;
  let inPattern = 0;
  let star = -1;
  let behindStar = 0;
  while (at < text.length) {
    if (inPattern < pattern.length && pattern[inPattern] === "*") {
      star = inPattern++;
      behindStar = at;
    } else if (inPattern < pattern.length && pattern[inPattern] === text[at]) {
      inPattern++;
      at++;
    } else if (star >= 0) {
      inPattern = star + 1;
      at = ++behindStar;
    } else return false;
  }
  while (pattern[inPattern] === "*") inPattern++;
  return inPattern === pattern.length;
}

/** Is there a text that fits both patterns? */
export function meet(a: string, b: string): boolean {
  // reach[j]: the first i characters of `a` and the first j of `b` can stand for one text.
  let reach: boolean[] = Array.from({ length: b.length + 1 }, (_unused, j) => /^\**$/.test(b.slice(0, j)));
  for (let i = 1; i <= a.length; i++) {
    const next: boolean[] = [reach[0] === true && a[i - 1] === "*"];
    for (let j = 1; j <= b.length; j++) {
      const isStar = a[i - 1] === "*" || b[j - 1] === "*";
      next[j] = isStar ? reach[j] === true || next[j - 1] === true || reach[j - 1] === true : reach[j - 1] === true && a[i - 1] === b[j - 1];
    }
    reach = next;
  }
  return reach[b.length] === true;
}
