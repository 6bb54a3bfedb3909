/** Managed objects in memory: what reads are answered from. By kind and id; in the order of ids where they are listed. */
import type { StoredObject } from "../control/types.ts";

/** What a reader may ask. */
export interface ControlReads {
  get(kind: string, id: string): StoredObject | undefined;
  list(kind: string, options: { readonly tenant?: string; readonly after?: string; readonly limit: number }): readonly StoredObject[];
  all(kind: string): Iterable<StoredObject>;
}

interface OfKind {
  readonly objects: Map<string, StoredObject>;
  /** Ids in order; made at the first listing, kept from then on. */
  order: string[] | null;
}

export class ControlMirror implements ControlReads {
  readonly #kinds = new Map<string, OfKind>();
  /** The last version of each that was deleted: an id that is used again goes on from there, so that no version names two things. */
  readonly #retired = new Map<string, number>();

  get(kind: string, id: string): StoredObject | undefined {
    return this.#kinds.get(kind)?.objects.get(id);
  }

  all(kind: string): Iterable<StoredObject> {
    return this.#kinds.get(kind)?.objects.values() ?? [];
  }

  list(kind: string, options: { readonly tenant?: string; readonly after?: string; readonly limit: number }): readonly StoredObject[] {
    const found = this.#kinds.get(kind);
    if (found === undefined) return [];
    found.order ??= [...found.objects.keys()].toSorted(byUnits);
    const { tenant, after, limit } = options;
    const listed: StoredObject[] = [];
    for (let i = after === undefined ? 0 : placeOf(found.order, after, true); i < found.order.length && listed.length < limit; i++) {
      const object = found.objects.get(found.order[i] as string);
      if (object !== undefined && (tenant === undefined || object.tenant === tenant)) listed.push(object);
    }
    return listed;
  }

  put(object: StoredObject): void {
    let found = this.#kinds.get(object.kind);
    if (found === undefined) this.#kinds.set(object.kind, (found = { objects: new Map(), order: null }));
    if (found.order !== null && !found.objects.has(object.id)) found.order.splice(placeOf(found.order, object.id, false), 0, object.id);
    found.objects.set(object.id, object);
  }

  /** The version that an object of this id had when it was deleted; 0: there was none. */
  retiredVersion(kind: string, id: string): number {
    return this.#retired.get(JSON.stringify([kind, id])) ?? 0;
  }

  /** An object of this id was deleted at that version. */
  retire(kind: string, id: string, version: number): void {
    this.#retired.set(JSON.stringify([kind, id]), version);
  }

  delete(kind: string, id: string): void {
    const found = this.#kinds.get(kind);
    const object = found?.objects.get(id);
    if (found === undefined || object === undefined) return;
    found.objects.delete(id);
    this.retire(kind, id, object.version);
    found.order?.splice(placeOf(found.order, id, false), 1);
  }
}

/** By UTF-16 units, as `<` compares: the same on every machine. */
function byUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The first place whose id is not before `id`; `past`: not `id` itself either. */
function placeOf(order: readonly string[], id: string, past: boolean): number {
  let low = 0;
  let high = order.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const one = order[middle] as string;
    if (one < id || (past && one === id)) low = middle + 1;
    else high = middle;
  }
  return low;
}
