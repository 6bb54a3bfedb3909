/**
 * What OpenAI-compatible hosts have in common, so that each host's file says only what is its own.
 */
import type { ProviderFacts, UsageFacts } from "../wire/facts.ts";

/** Pointers start at the answer's body (or at a stream's chunk). */
const USAGE: UsageFacts = {
  reasoningInOutput: "guess",
  cacheReadPaths: ["/usage/prompt_tokens_details/cached_tokens"],
  cacheWritePaths: ["/usage/prompt_tokens_details/cache_write_tokens"],
  cacheInsideInput: true,
  cost: null,
  includeUsageOption: true,
};

type Own = Pick<ProviderFacts, "id" | "name" | "baseUrl" | "env"> &
  Partial<Omit<ProviderFacts, "usage">> & { readonly usage?: Partial<UsageFacts> };

/**
 * Facts of a host that speaks OpenAI chat. Defaults: bearer key, serves others' weights, the prompt of an aborted call
 * is billed (nobody documents otherwise, so the dearer reading holds until evidence corrects it), no promise of region.
 */
export function compatible(own: Own): ProviderFacts {
  return {
    dialect: "openai-chat",
    auth: { kind: "bearer" },
    headers: [],
    kind: "host",
    billsOnAbort: "input",
    onClientGone: "abort",
    // `developer` is a word of OpenAI's own; open-weights chat templates reject it or lose the message, while
    // `system` works everywhere.
    quirks: { developerAsSystem: true },
    statusClasses: {},
    domain: {},
    region: null,
    unmetered: false,
    requestIdHeader: "x-client-request-id",
    idempotencyHeader: null,
    ...own,
    usage: { ...USAGE, ...own.usage },
  };
}

/**
 * Facts of a provider whose protocol this version does not speak: known, so that its models are priced and explained,
 * and never called. Nor is its credential looked for.
 */
export function notSpoken(own: Own): ProviderFacts {
  return compatible({ quirks: {}, requestIdHeader: null, ...own, dialect: null });
}
