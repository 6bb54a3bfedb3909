/** Policies without memory: one deployment only, and all in their order. */
import type { PolicyKind } from "../types.ts";
import { Attempts, type Rules } from "./attempts.ts";
import { ATTEMPTS_MAX, ORDERED } from "./parameters.ts";

/** Everything goes to the first deployment, once. */
export const SINGLE: PolicyKind = {
  name: "single",
  about: "the first deployment alone, no retry",
  make: () => played({ next: (_request, tried) => (tried.length > 0 ? null : { deployment: 0, waitMs: 0 }) }),
};

/** The deployments in their order, each so often; nothing is remembered from one request to the next. */
export const ORDERED_FALLBACK: PolicyKind = {
  name: "ordered-fallback",
  about: "targets in their order, any error goes on to the next (Portkey: \"Fallbacks\", mode fallback; gateway 669825c)",
  make({ deployments }) {
    const each = ORDERED.retriesPerTarget + 1;
    return played({
      next(_request, tried) {
        const deployment = Math.floor(tried.length / each);
        return deployment < Math.min(deployments.length, ATTEMPTS_MAX) ? { deployment, waitMs: 0 } : null;
      },
    });
  },
};

/** The same from another deployment on: the others follow in their order. */
export function orderedFrom(first: number, name: string): PolicyKind {
  return {
    name,
    about: `deployment ${first + 1} first, then the others in their order`,
    make({ deployments }) {
      const order = [first, ...deployments.map((_, i) => i).filter((i) => i !== first)];
      return played({
        next: (_request, tried) => (tried.length < Math.min(order.length, ATTEMPTS_MAX) ? { deployment: order[tried.length] as number, waitMs: 0 } : null),
      });
    },
  };
}

function played(rules: Rules): ReturnType<PolicyKind["make"]> {
  return { request: (request, api) => new Attempts(rules, request, api).start() };
}
