/** Feedback as a gateway takes it: its file in the data folder, and whose the requests were that it is about. */
import type { Deps } from "../pipeline/deps.ts";
import type { RequestOrigin } from "../ports.ts";
import { SqliteFeedback } from "../storage/feedback.ts";
import type { AttemptView } from "../storage/rows.ts";

export interface OpenFeedback {
  /** For the pipeline. */
  readonly taken: NonNullable<Deps["feedback"]>;
  readonly list: SqliteFeedback["list"];
  close(): void;
}

/** Opens the file in a folder that this process owns. `attemptsOf`: the calls of a request. Throws StorageError. */
export function openFeedback(folder: string, sync: "process" | "full", attemptsOf: (requestId: string) => readonly AttemptView[]): OpenFeedback {
  const store = new SqliteFeedback(folder, sync);
  return {
    taken: { add: (given) => store.add(given), requestOf: (requestId) => originOf(attemptsOf(requestId)) },
    list: (query) => store.list(query),
    close: () => store.close(),
  };
}

/** A request that called nobody has no answer to speak of. Where several were called, it is of whoever answered: the last may have been put aside. */
function originOf(attempts: readonly AttemptView[]): RequestOrigin | null {
  const one = attempts.findLast(({ outcome }) => outcome === "answered") ?? attempts.at(-1);
  if (one === undefined) return null;
  const named = (word: string): readonly string[] => one.scopes.flatMap((scope) => (scope.startsWith(word) ? [scope.slice(word.length)] : []));
  return { tenant: one.tenant, keys: named("key/"), route: named("route/")[0] ?? null, deployment: one.deployment };
}
