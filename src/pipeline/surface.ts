/** The joint between the attempt loop and the endpoints that share it. */
import type { Candidate, Choice } from "../decide/choose.ts";
import type { Route } from "../decide/deployment.ts";
import type { Caller, Charge } from "../ports.ts";
import type { GatewayError } from "../wire/errors.ts";
import type { SurfaceName } from "../wire/surfaces.ts";
import type { Attempt, Reading } from "./attempt.ts";
import type { Snapshot } from "./deps.ts";

/** What differs between the endpoints that share the loop. */
export interface Surface {
  /** What health is kept for. */
  readonly endpoint: "chat" | "embeddings";
  /** As it stands in the record. */
  readonly name: SurfaceName | "embeddings";
  readonly stream: boolean;
  readonly streamType: string;
  readonly keepAlive: Uint8Array;
  /** The upstream call for one candidate. */
  prepare(candidate: Candidate): Prepared;
  /** The last bytes of a stream: what was held back, with the request's cost (all attempts) in the usage chunk. */
  closing(attempt: Attempt, charge: Charge, cost: RequestCost): Uint8Array;
  /** The dialect's typed error as the end of a stream (`attempt`: the one whose answer broke off, null if none began), and as a body. */
  errorFrame(error: GatewayError, attempt: Attempt | null): Uint8Array;
  errorBody(error: GatewayError): Uint8Array;
  /** Headers of an error that only this surface has. */
  errorHeaders(error: GatewayError): readonly string[];
}
export interface RequestCost {
  /** null: unmetered or unpriced. */
  readonly nanoUsd: number | null;
  readonly estimated: boolean;
}
export type Prepared =
  | { readonly kind: "prepared"; readonly path: string; readonly headers: readonly string[]; /** Lower-case names of the account's fixed headers that these replace. */ readonly replaces?: readonly string[]; readonly body: Uint8Array; readonly warnings: readonly string[]; readonly reading: Reading }
  | { readonly kind: "unsupported"; readonly param: string; readonly message: string };

export interface ExchangeSettings {
  readonly requestId: string;
  readonly caller: Caller;
  readonly route: Route;
  /** What the client wrote in `model`. */
  readonly modelAsked: string;
  readonly choice: Choice;
  readonly inputEstimateTokens: number;
  /** Of this request: the smallest of route, header and SDK. */
  readonly deadlineMs: number;
  readonly warnings: readonly string[];
  readonly snapshot: Snapshot;
}
