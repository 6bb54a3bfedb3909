/**
 * Which of many things (budgets, limits) apply to a hold: those whose scopes are all among the hold's. Each stands under its
 * rarest scope, so a hold looks at few of them however many there are. For an array of scopes that is frozen the answer is
 * kept: a caller that makes one and uses it again is looked up once.
 */

const NONE: readonly never[] = [];

interface Entry<T> {
  readonly scopes: readonly string[];
  readonly item: T;
  readonly order: number;
}

export class Applicable<T> {
  readonly #byScope = new Map<string, Entry<T>[]>();
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

  /** All that apply to these scopes, in the order of the items. */
  to(scopes: readonly string[]): readonly T[] {
    if (this.#byScope.size === 0) return NONE;
    // To remember an array that is used once costs more than to look it up.
    if (!Object.isFrozen(scopes)) return this.#find(scopes);
    const known = this.#known.get(scopes);
    if (known !== undefined) return known;
    const found = this.#find(scopes);
    this.#known.set(scopes, found);
    return found;
  }

  #find(scopes: readonly string[]): readonly T[] {
    let found: Entry<T>[] | null = null;
    for (let at = 0; at < scopes.length; at += 1) {
      const scope = scopes[at] ?? "";
      const there = this.#byScope.get(scope);
      // A scope that is named twice is looked at once.
      if (there === undefined || scopes.indexOf(scope) !== at) continue;
      for (const entry of there) if (holdsAll(scopes, entry.scopes)) (found ??= []).push(entry);
    }
    if (found === null) return NONE;
    if (found.length > 1) found.sort(byOrder);
    return found.map(itemOf);
  }
}

const MODEL = "model/";

/** The model that these scopes name, where all of them but that are among a call's; null: they are not, or name none. */
export function modelBeside(needed: readonly string[], scopes: readonly string[]): string | null {
  const model = needed.find((scope) => scope.startsWith(MODEL));
  if (model === undefined) return null;
  for (const scope of needed) if (!scope.startsWith(MODEL) && !scopes.includes(scope)) return null;
  return model.slice(MODEL.length);
}

function holdsAll(scopes: readonly string[], needed: readonly string[]): boolean {
  for (const scope of needed) if (!scopes.includes(scope)) return false;
  return true;
}

function byOrder(a: Entry<unknown>, b: Entry<unknown>): number {
  return a.order - b.order;
}

function itemOf<T>(entry: Entry<T>): T {
  return entry.item;
}
