/** The catalogue: what is known of every live model, its prices and where they come from. Parsed once, on first use. */
import type { ModelFacts } from "../../wire/facts.ts";
import file from "./catalogue.json" with { type: "json" };
import { readModelRow } from "./rows.ts";

export interface Catalogue {
  /** The day the facts were put together, `2026-11-22`. */
  readonly asOf: string;
  /** Sorted by id. */
  readonly models: readonly ModelFacts[];
  /** `provider/upstream` → model. */
  readonly byId: ReadonlyMap<string, ModelFacts>;
  /** Canonical name → the models of all providers that serve it. */
  readonly byCanonical: ReadonlyMap<string, readonly ModelFacts[]>;
  /** A provider's own name of a model, or an alias of it → the models of all providers that use the name. */
  readonly byUpstream: ReadonlyMap<string, readonly ModelFacts[]>;
}

let loaded: Catalogue | null = null;

/** The whole catalogue. Cheap after the first call. */
export function loadCatalogue(): Catalogue {
  loaded ??= readCatalogue(file);
  return loaded;
}

/** Build a catalogue from a file's content; rows are read by position. */
export function readCatalogue(content: { readonly asOf: string; readonly models: readonly unknown[] }): Catalogue {
  const models = (content.models as readonly (readonly unknown[])[]).map(readModelRow);
  const byId = new Map<string, ModelFacts>();
  const byCanonical = new Map<string, ModelFacts[]>();
  const byUpstream = new Map<string, ModelFacts[]>();
  for (const model of models) {
    byId.set(model.id, model);
    add(byCanonical, model.canonical, model);
    add(byUpstream, model.upstream, model);
    for (const alias of model.aliases) add(byUpstream, alias, model);
  }
  return { asOf: content.asOf, models, byId, byCanonical, byUpstream };
}

function add(index: Map<string, ModelFacts[]>, key: string, model: ModelFacts): void {
  const list = index.get(key);
  if (list === undefined) index.set(key, [model]);
  else list.push(model);
}
