/** The cells of the matrix and what is expected of each, read from the table that was written by hand. */
import { readFileSync } from "node:fs";
import { DIALECTS, FAULTS, FORMS, type Dialect, type FaultRow, type Form } from "./faults.ts";
import type { StreamSurface } from "./surface-client.ts";

export const FALLBACKS = ["same", "other"] as const;
export type Fallback = (typeof FALLBACKS)[number];

export interface Cell {
  /** Route, model and account of the cell: nothing is shared with another. */
  readonly id: string;
  readonly row: FaultRow;
  readonly form: Form;
  readonly dialect: Dialect;
  readonly fallback: Fallback;
  readonly fallbackDialect: Dialect;
  /** Absent: chat completions. */
  readonly surface?: StreamSurface;
}

/** What one cell comes to, in the words of the expected table. */
export interface Finding {
  readonly answer: string;
  readonly status: number;
  readonly attempts: number;
  /** What the faulty call was charged. */
  readonly money: string;
  /** What is held against the faulty deployment. */
  readonly blame: string;
}

interface ExpectedFault {
  readonly json: string | { readonly none: string };
  readonly stream: string | { readonly none: string };
  readonly money: Nested;
  readonly blame: Nested;
}
/** A word, or one for each form or dialect. */
type Nested = string | { readonly [name: string]: Nested };

export interface Expected {
  readonly verdicts: Readonly<Record<string, Pick<Finding, "answer" | "status" | "attempts">>>;
  readonly money: Readonly<Record<string, string>>;
  readonly blame: Readonly<Record<string, string>>;
  readonly faults: Readonly<Record<string, ExpectedFault>>;
}

const OTHER: Readonly<Record<Dialect, Dialect>> = { "openai-chat": "anthropic-messages", "anthropic-messages": "gemini", gemini: "openai-chat" };

/** The table as it stands in the repository. */
export function readExpected(): Expected {
  return JSON.parse(readFileSync(new URL("../fault-matrix.expected.json", import.meta.url), "utf8")) as Expected;
}

/** Every combination that makes sense, in the order of the page. */
export function cellsOf(expected: Expected): readonly Cell[] {
  const cells: Cell[] = [];
  for (const row of FAULTS) {
    for (const form of FORMS) {
      if (reasonWithout(expected, row.key, form) !== null) continue;
      for (const dialect of DIALECTS) for (const fallback of FALLBACKS) cells.push(cellOf(row, form, dialect, fallback));
    }
  }
  return cells;
}

/** One cell by its coordinates. */
export function cellOf(row: FaultRow, form: Form, dialect: Dialect, fallback: Fallback): Cell {
  const id = [row.key, form, dialect.split("-")[0], fallback].join(".");
  return { id, row, form, dialect, fallback, fallbackDialect: fallback === "same" ? dialect : OTHER[dialect] };
}

/** Streams only, on a surface that is not chat completions: what is expected of a fault does not depend on who asks. */
export function surfaceCells(expected: Expected, surface: StreamSurface): readonly Cell[] {
  const streams = cellsOf(expected).filter((cell) => cell.form === "stream");
  return streams.map((cell) => ({ ...cell, surface, id: `${SHORT[surface]}.${cell.id.replace(".stream.", ".")}` }));
}

/** Names of accounts are at most 64 characters long. */
const SHORT: Readonly<Record<StreamSurface, string>> = { responses: "rsp", messages: "msg", "generate-content": "gen", converse: "cnv", "chat-v2": "coh", completions: "cmp" };

/** Why a fault has no cells in a form; null where it has. */
export function reasonWithout(expected: Expected, key: string, form: Form): string | null {
  const verdict = faultOf(expected, key)[form];
  return typeof verdict === "string" ? null : verdict.none;
}

/** What is expected of a cell. Throws where the table says nothing, or a word that it does not define. */
export function expectedOf(expected: Expected, cell: Cell): Finding {
  const fault = faultOf(expected, cell.row.key);
  const named = fault[cell.form];
  const verdict = typeof named === "string" ? expected.verdicts[named] : undefined;
  if (verdict === undefined) throw new Error(`no verdict for ${cell.id}`);
  const money = wordFor(fault.money, cell);
  const blame = wordFor(fault.blame, cell);
  if (expected.money[money] === undefined || expected.blame[blame] === undefined) throw new Error(`${cell.id}: ${money} or ${blame} is not defined`);
  return { ...verdict, money, blame };
}

function faultOf(expected: Expected, key: string): ExpectedFault {
  const fault = expected.faults[key];
  if (fault === undefined) throw new Error(`the expected table does not know ${key}`);
  return fault;
}

function wordFor(nested: Nested, cell: Cell): string {
  let value: Nested | undefined = nested;
  while (typeof value === "object") value = value[cell.form] ?? value[cell.dialect];
  if (value === undefined) throw new Error(`the expected table has a gap at ${cell.id}`);
  return value;
}
