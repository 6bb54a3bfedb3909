/** Where a dialect has room for a feature, and where else its meaning may stand. */
import type { RequestFeature } from "../features.ts";
import { all, contains, either, has, lacks, says, type Finder } from "../paths.ts";
import { TEXT, TOOL } from "../marks.ts";

export interface Place {
  /** The field that the dialect has for it. */
  readonly native?: Finder;
  /** Another way to the same meaning. */
  readonly emulated?: Finder;
}
/** A feature without a place can only be warned of or refused. */
export type Places = Readonly<Partial<Record<RequestFeature, Place>>>;

/** Only tools of these names are offered. `path`: to the names. */
export function offersOnly(path: string, ...names: readonly string[]): Finder {
  return all(...names.map((name) => has(path, name)), ...[TOOL.name, TOOL.second, TOOL.third].filter((name) => !names.includes(name)).map((name): Finder => (body) => !has(path, name)(body)));
}

/** A request with a tool, and nothing said about the choice. */
export function saysNothingOfChoice(tools: string, choice: string): Finder {
  return all(has(tools, TOOL.name), lacks(choice));
}

/** JSON is asked for in the prompt. */
export const asksInWords: Finder = (body) => /JSON/.test(JSON.stringify(body["system"] ?? body["messages"] ?? null));

/** Every protocol has room for the system text that a setting stands for. */
export const SAFETY_IN_WORDS: Places = { "safety-settings": { emulated: (body) => /Always assist with care, respect, and truth\./.test(JSON.stringify(body)) } };

/** A failed result told in words. */
export function failedInWords(path: string): Finder {
  return either(says(path, `[error] ${TEXT.failure}`), contains(path, `[error] `));
}
