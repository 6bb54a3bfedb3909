/** What a name in `model` stands for. Types only until resolution is written. */
import type { OwnedKind } from "../wire/surfaces.ts";
import type { Deployment, Route } from "./deployment.ts";

export type Resolution =
  | { readonly kind: "route"; readonly route: Route; readonly trace: readonly string[] }
  | { readonly kind: "unresolved"; readonly code: "unknown_model" | "ambiguous_model" | "price_unknown" | "provider_not_supported_yet" | "provider_not_configured"; readonly message: string; readonly trace: readonly string[] };

/** A model that can be called now, for `GET /v1/models`. */
export interface CallableModel {
  readonly id: string;
  readonly ownedBy: string;
  readonly createdS: number;
}

/** Everything a name can resolve to; immutable, built from one configuration and the catalogue. */
export interface Directory {
  resolve(name: string): Resolution;
  callable(): readonly CallableModel[];
  /** Accounts at providers that keep such things, in file order; absent: none. */
  keepers?(kind: OwnedKind): readonly Deployment[];
  /** What an account calls by this name of its provider's, whatever routes and aliases make of it; absent or null: nothing. */
  at?(account: string, upstream: string): Deployment | null;
  /** May a call at this account be one of the model with this canonical name? Not where its provider's models are known, and this is another's. */
  mayServe?(account: string, model: string): boolean;
  /** Can anything at this account cost something? Absent: it can. */
  meters?(account: string): boolean;
}
