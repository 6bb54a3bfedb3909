/**
 * Which of many things (budgets, limits) apply to a hold: those whose scopes are all among the hold's. Each stands under its
 * rarest scope, so a hold looks at few of them however many there are; the answer is kept per array of scopes, which callers
 * have one of.
 */

const NONE: readonly never[] = [];

export class Applicable<T> {
  readonly #byScope = new Map<string, { readonly scopes: readonly string[]; readonly item: T; readonly order: number }[]>();
  readonly #known = new WeakMap<readonly string[], readonly T[]>();

  /** The order of `items` is that of every answer. An item without scopes applies to nothing. */
  constructor(items: Iterable<T>, scopesOf: (item: T) => readonly string[]) {
    const all = [...items];
    const uses = new Map<string, number>();
    for (const item of all) for (const scope of scopesOf(item)) uses.set(scope, (uses.get(scope) ?? 0) + 1);
    all.forEach((item, order) => {
      const scopes = scopesOf(item);
      const rarest = scopes.reduce<string | undefined>((best, scope) => (best === undefined || (uses.get(scope) ?? 0) <= (uses.get(best) ?? 0) ? scope : best), undefined);
      if (rarest === undefined) return;
      const there = this.#byScope.get(rarest);
      if (there === undefined) this.#byScope.set(rarest, [{ scopes, item, order }]);
      else there.push({ scopes, item, order });
    });
  }

  /** All that apply to these scopes. The array must not be changed afterwards: its answer is kept. */
  to(scopes: readonly string[]): readonly T[] {
    if (this.#byScope.size === 0) return NONE;
    const known = this.#known.get(scopes);
    if (known !== undefined) return known;
    const found = this.#find(scopes);
    this.#known.set(scopes, found);
    return found;
  }

  #find(scopes: readonly string[]): readonly T[] {
    let found: { item: T; order: number }[] | null = null;
    for (let i = 0; i < scopes.length; i += 1) {
      const scope = scopes[i] ?? "";
      const there = this.#byScope.get(scope);
      // A scope that is named twice is looked at once.
      if (there === undefined || scopes.indexOf(scope) !== i) continue;
      for (const entry of there) if (entry.scopes.every((one) => scopes.includes(one))) (found ??= []).push(entry);
    }
    return found === null ? NONE : found.toSorted((a, b) => a.order - b.order).map(({ item }) => item);
  }
}
