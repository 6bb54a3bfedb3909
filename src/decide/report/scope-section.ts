/**
 * The part of a report that tells of one promise to keys, teams and others: all requests in its scopes, by whatever route. Its counts
 * and rows are those of a route, so it is made as a route's section is.
 */
import type { Json } from "../../wire/json.ts";
import { canonical, hashed, type NewHash } from "./canonical.ts";
import { RouteFold, type RouteSection } from "./route-section.ts";
import type { BadRequest, MinuteEvent, ScopedPromise } from "./types.ts";

/** Of what a section tells. */
export interface ScopeSpan {
  /** The promise's id. */
  readonly scope: string;
  /** Whose month it is. */
  readonly zone: string;
  readonly fromMs: number;
  readonly untilMs: number;
  /** By version. */
  readonly promises: ReadonlyMap<string, ScopedPromise>;
}

export interface ScopeSection extends Omit<RouteSection, "route" | "promised"> {
  readonly scope: string;
  readonly promised: readonly ({ readonly version: string } & ScopedPromise)[];
}

export class ScopeFold {
  readonly #span: ScopeSpan;
  readonly #newHash: NewHash;
  readonly #fold: RouteFold;

  constructor(span: ScopeSpan, newHash: NewHash) {
    const { scope, zone, fromMs, untilMs, promises } = span;
    this.#span = span;
    this.#newHash = newHash;
    this.#fold = new RouteFold({ route: scope, zone, fromMs, untilMs, objectives: new Map([...promises].map(([version, { objectives }]) => [version, objectives])) }, newHash);
  }

  /** The next event of the promise. */
  add(event: MinuteEvent): void {
    this.#fold.add(event);
  }

  /** The next row; those that the promise is not about are passed over. */
  addBad(bad: BadRequest): void {
    const own = bad.scoped?.find(({ id }) => id === this.#span.scope);
    if (own !== undefined) this.#fold.addBad({ ...bad, version: own.version, missed: own.missed });
  }

  /** The section over all that was added. */
  finish(): ScopeSection {
    const { scope, promises } = this.#span;
    const { route: _, promised: own, digest: section, ...rest } = this.#fold.finish();
    const promised = own.map((one) => ({ ...one, scopes: promises.get(one.version)?.scopes ?? [] }));
    return { scope, ...rest, promised, digest: hashed(canonical({ scope, promised: promised as unknown as Json, section }), this.#newHash) };
  }
}
