/** Reading the fields of a contract as they were written, with a problem for each that is not what it should be. */
import type { JsonObject } from "../../wire/json.ts";
import { isTimeZone } from "../zone.ts";
import { parseDate, type CivilDate } from "./calendar.ts";
import { scaled } from "./exact.ts";
import type { ContractProblem } from "./types.ts";

/** One map of the contract and the names that lead to it. A field of the wrong type counts as absent: the schema tells of it. */
export class Fields {
  readonly #map: JsonObject;
  readonly #path: string;
  readonly problems: ContractProblem[];

  constructor(map: JsonObject, path: string, problems: ContractProblem[]) {
    this.#map = map;
    this.#path = path;
    this.problems = problems;
  }

  has(name: string): boolean {
    return this.#map[name] !== undefined && this.#map[name] !== null;
  }

  tell(name: string, message: string): void {
    const field = name === "" ? this.#path : `${this.#path}${this.#path === "" || name.startsWith("[") ? "" : "."}${name}`;
    this.problems.push({ field, message });
  }

  text(name: string): string | null {
    const value = this.#map[name];
    return typeof value === "string" ? value : null;
  }

  /** As it was written. */
  raw(name: string): unknown {
    return this.#map[name];
  }

  texts(name: string): readonly string[] {
    const value = this.#map[name];
    return Array.isArray(value) ? value.filter((one): one is string => typeof one === "string") : [];
  }

  /** The map under a name; an empty one where there is none. */
  inner(name: string): Fields {
    return new Fields(mapOf(this.#map[name]), this.#path === "" ? name : `${this.#path}.${name}`, this.problems);
  }

  list(name: string): readonly Fields[] {
    const value = this.#map[name];
    const above = this.#path === "" ? name : `${this.#path}.${name}`;
    return Array.isArray(value) ? value.map((one, index) => new Fields(mapOf(one), `${above}[${index}]`, this.problems)) : [];
  }

  names(): readonly string[] {
    return Object.keys(this.#map);
  }

  oneOf<const T extends string>(name: string, words: readonly T[], otherwise: T): T {
    const found = words.find((word) => word === this.#map[name]);
    if (found === undefined && this.has(name)) this.tell(name, `one of ${words.join(", ")}`);
    return found ?? otherwise;
  }

  /** Dollars ≥ 0 with at most nine places, in nano-dollars. */
  usd(name: string): bigint | null {
    return this.#number(name, 9, "dollars, 0 or more, with at most nine decimal places");
  }

  /** A percentage from 0 to 100 in thousandths of the whole: 12.5 % is 125. */
  percent(name: string): number | null {
    const permille = this.#number(name, 1, "a percentage from 0 to 100 with at most one decimal place");
    if (permille === null || permille <= 1000n) return permille === null ? null : Number(permille);
    this.tell(name, "at most 100 %: more than all of it cannot be taken");
    return null;
  }

  /** A percentage in thousandths of a percent: 99.95 % is 99950. */
  milliPercent(name: string): number | null {
    const milli = this.#number(name, 3, "a percentage from 0 to 100 with at most three decimal places");
    if (milli === null || milli <= 100_000n) return milli === null ? null : Number(milli);
    this.tell(name, "at most 100 %");
    return null;
  }

  /** A number with up to three places, in thousandths. */
  permille(name: string): number | null {
    const value = this.#number(name, 3, "a number of 0 or more with at most three decimal places");
    return value === null ? null : Number(value);
  }

  /** A whole number from 1. */
  count(name: string): number | null {
    const value = this.#number(name, 0, "a whole number from 1");
    if (value === null || (value > 0n && value <= 9_000_000_000_000n)) return value === null ? null : Number(value);
    this.tell(name, "a whole number from 1");
    return null;
  }

  whole(name: string): bigint | null {
    return this.#number(name, 0, "a whole number of 0 or more");
  }

  date(name: string): CivilDate | null {
    const text = this.text(name);
    const date = text === null ? null : parseDate(text);
    if (text !== null && date === null) this.tell(name, "a day of the calendar, such as 2027-01-31");
    return date;
  }

  zone(name: string, otherwise: string): string {
    const zone = this.text(name);
    if (zone === null) return otherwise;
    if (isTimeZone(zone)) return zone;
    this.tell(name, "the name of a time zone, such as Europe/Berlin or UTC");
    return otherwise;
  }

  #number(name: string, places: number, expected: string): bigint | null {
    const value = this.#map[name];
    if (value === undefined || value === null) return null;
    const number = scaled(value, places);
    if (number === null) this.tell(name, expected);
    return number;
  }
}

function mapOf(value: unknown): JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
}
