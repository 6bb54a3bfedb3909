/** The expectation as it stands in the repository, and what it says of a cell. */
import { readFileSync } from "node:fs";
import type { DialectId } from "../../src/wire/facts.ts";
import type { SurfaceName } from "../../src/wire/surfaces.ts";
import { clientOf } from "../../src/providers/dialects/clients.ts";
import type { AnswerFeature, RequestFeature } from "./features.ts";

/** `lost` is never expected: neither carried, nor named, nor refused. */
export type Word = "carried" | "emulated" | "emulated!" | "warned" | "refused" | "n-a";

interface ExpectedFeature {
  /** Surfaces that have it, with a blank between. */
  readonly surfaces: string;
  readonly upstream: Readonly<Record<string, string>>;
  readonly cells?: Readonly<Record<string, string>>;
}

export interface Expected {
  readonly words: Readonly<Record<string, string>>;
  readonly notes: Readonly<Record<string, string>>;
  readonly requests: Readonly<Record<RequestFeature, ExpectedFeature>>;
  readonly answers: Readonly<Record<AnswerFeature, ExpectedFeature>>;
}

/** What is expected of one cell. */
export interface Verdict {
  readonly word: Word;
  /** Key of a note; null: the word says all. */
  readonly note: string | null;
}

/** The table as it stands in the repository. */
export function readExpected(): Expected {
  return JSON.parse(readFileSync(new URL("../fidelity.expected.json", import.meta.url), "utf8")) as Expected;
}

/** Do clients of this surface pass their bytes to providers of this dialect? */
export function passes(surface: SurfaceName, dialect: DialectId): boolean {
  const client = clientOf(surface);
  return client.id === dialect && client.passes !== false;
}

/** What is expected of a cell. Throws where the table says nothing, or a word that it does not define. */
export function expectedOf(expected: Expected, table: "requests" | "answers", key: RequestFeature | AnswerFeature, surface: SurfaceName, dialect: DialectId): Verdict {
  const feature = (expected[table] as Readonly<Record<string, ExpectedFeature>>)[key];
  if (feature === undefined) throw new Error(`the expectation does not know ${key}`);
  if (!surfacesOf(feature).includes(surface)) return { word: "n-a", note: null };
  const upstream = feature.upstream[dialect] ?? feature.upstream["*"];
  const own = feature.cells?.[`${surface}>${dialect}`];
  const absent = upstream?.startsWith("n-a") === true;
  const text = own ?? (absent ? upstream : passes(surface, dialect) ? "carried" : (feature.cells?.[`${surface}>*`] ?? upstream));
  if (text === undefined) throw new Error(`the expectation has a gap at ${key}: ${surface}>${dialect}`);
  const [word = "", note] = text.split(" ");
  if (expected.words[word.replace("!", "")] === undefined) throw new Error(`${key}: "${word}" is not defined`);
  if (note !== undefined && expected.notes[note] === undefined) throw new Error(`${key}: no note "${note}"`);
  return { word: word as Word, note: note ?? null };
}

/** The surfaces that have a feature. */
export function surfacesOf(feature: ExpectedFeature): readonly string[] {
  return feature.surfaces.split(" ");
}
