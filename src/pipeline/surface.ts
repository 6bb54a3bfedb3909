/** The joint between the attempt loop and the endpoints that share it. */
import type { Candidate, Choice } from "../decide/choose.ts";
import type { Spending } from "../decide/cap.ts";
import type { RequestShape, Route } from "../decide/deployment.ts";
import type { Caller, Charge, Timer } from "../ports.ts";
import type { GatewayError } from "../wire/errors.ts";
import type { SurchargedFeature } from "../wire/facts.ts";
import type { JsonObject } from "../wire/json.ts";
import type { HttpMethod, ServedName } from "../wire/surfaces.ts";
import type { UnitCounts } from "../wire/usage.ts";
import type { Attempt, Reading } from "./attempt.ts";
import type { Rescue } from "./rescue.ts";
import type { Steering } from "./steering.ts";
import type { Snapshot } from "./deps.ts";

/** What differs between the endpoints that share the loop. */
export interface Surface {
  /** What health is kept for: `chat`, `embeddings`, or an endpoint's own name. */
  readonly endpoint: string;
  /** As it stands in the record. */
  readonly name: ServedName;
  readonly stream: boolean;
  /** Where the answer's own type is not told on. */
  readonly streamType: string;
  /** Empty: there is no sign of life that clients would ignore. */
  readonly keepAlive: Uint8Array;
  /** The upstream call for one candidate. */
  prepare(candidate: Candidate): Prepared;
  /** The last bytes of a stream: what was held back, with the request's cost (all attempts) in the usage chunk. */
  closing(attempt: Attempt, charge: Charge, cost: RequestCost): Uint8Array;
  /** Keep the answer whose last bytes (all, where it is no stream) these are; they leave when it is done. undefined: nothing is kept. */
  keep?(attempt: Attempt, last: Uint8Array): Promise<void> | undefined;
  /** Of an answered call whose end is still to come: notes that its hold stays open. undefined: it is charged now. */
  held?(attempt: Attempt): Promise<void> | undefined;
  /** Read on when the client has left: what the answer names is to be known. */
  readonly readsOn?: boolean;
  /** Carries answers on that break off; absent: they end there. */
  readonly rescue?: Rescue | undefined;
  /** The dialect's typed error as the end of a stream (`attempt`: the one whose answer broke off, null if none began), and as a body. null: it cannot be told there, so the connection is broken off. */
  errorFrame(error: GatewayError, attempt: Attempt | null): Uint8Array | null;
  errorBody(error: GatewayError): Uint8Array;
  /** What is answered in place of an error: a surface may know an answer of its own. undefined: the error is told. */
  instead?(error: GatewayError): { readonly body: Uint8Array; readonly warning: string; readonly flag: string } | undefined;
  /** Headers of an error that only this surface has. */
  errorHeaders(error: GatewayError): readonly string[];
}
export interface RequestCost {
  /** null: unmetered or unpriced. */
  readonly nanoUsd: number | null;
  readonly estimated: boolean;
}
/** Something has to be fetched before the call can be prepared: `then` is called once, unless cancelled; then prepare it again. */
export interface Later {
  readonly kind: "later";
  readonly wait: (then: () => void) => Timer;
}
export type Prepared =
  | Later
  | {
      readonly kind: "prepared";
      /** Below the account's address, or from the origin on where it is `rooted`. */
      readonly path: string;
      readonly rooted?: boolean;
      /** Absent: POST. */
      readonly method?: HttpMethod;
      readonly headers: readonly string[];
      /** Lower-case names of the account's fixed headers that these replace. */
      readonly replaces?: readonly string[];
      readonly body: Uint8Array | null;
      readonly warnings: readonly string[];
      readonly reading: Reading;
      /** About how many tokens of a begun answer are in it, beside the request; absent: none. */
      readonly shownTokens?: number;
      /** What the whole call is likely to be billed for, where that is not tokens alone. */
      readonly expectedUnits?: UnitCounts;
    }
  | { readonly kind: "unsupported"; readonly param: string; readonly message: string };

export interface ExchangeSettings {
  readonly requestId: string;
  readonly caller: Caller;
  readonly route: Route;
  /** What the client wrote in `model`. */
  readonly modelAsked: string;
  readonly choice: Choice;
  readonly inputEstimateTokens: number;
  /** Output limit that the client asked of a chat, null: none; and its choices. Absent: the request writes no text. */
  readonly maxOutputTokens?: number | null;
  readonly choiceCount?: number;
  /** Of this request: the smallest of route, header and SDK. */
  readonly deadlineMs: number;
  readonly warnings: readonly string[];
  /** What binds its money, and the shape that its calls are bounded by; absent: nothing does. */
  readonly binding?: { readonly spending: Spending; readonly shape: RequestShape } | undefined;
  /** What the request asks for that price lists may charge extra; absent: nothing. */
  readonly features?: readonly SurchargedFeature[] | undefined;
  /** The service tier that it asks for; absent: none. */
  readonly serviceTier?: string | undefined;
  /** What was sent is never sent again: it may have been done. */
  readonly once?: boolean;
  /** What its route promises, and how it is weighed; absent: nothing. */
  readonly steering?: Steering | undefined;
  /** What was believed of the candidates, for its record; absent: nothing that the choice does not tell itself. */
  readonly believed?: readonly JsonObject[] | undefined;
  readonly snapshot: Snapshot;
}
