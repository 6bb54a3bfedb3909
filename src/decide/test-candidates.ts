/** Candidates and failures by name, for tests of steps and courses. */
import { faultOf, type FailureClass, type Outcome } from "../wire/outcome.ts";
import type { Candidate } from "./choose.ts";
import type { Deployment } from "./deployment.ts";
import { model, provider, sheet } from "./test-directory.ts";

/** Model `m` of an account and provider with this name. */
export function candidate(name: string, domain: Deployment["domain"] = {}): Candidate {
  const facts = model(`${name}/m`, "m");
  return {
    deployment: {
      id: `${name}/m`, account: name, provider: provider(name), model: facts, upstreamModel: "m", pricing: { kind: "sheet", sheet: sheet(1, 2) },
      contextWindow: null, maxOutput: null, baseUrl: "", region: null, domain, reasons: false,
    },
    automatic: false, boundNanoUsd: 1, inputBoundTokens: 1,
  };
}

/** A failure of this class before any content. */
export function failed(failure: FailureClass): Outcome {
  return { kind: "failed", error: { class: failure, status: 0, message: "", type: null, code: null, param: null, retryAfterMs: null }, phase: "before-content", fault: faultOf(failure) };
}
