/** The matrix from its expectation to its page; run by the test and by the script that writes the page. */
import type { DialectId } from "../../src/wire/facts.ts";
import { expectedOf, readExpected, type Expected, type Verdict } from "./expected.ts";
import { ANSWER_FEATURES, featureOf, REQUEST_FEATURES, type AnswerFeature, type RequestFeature } from "./features.ts";
import { Gateway } from "./gateway.ts";
import { judgeAnswer, upstreamAnswer } from "./judge-answers.ts";
import { renderPage } from "./render.ts";
import { judgeReplay } from "./replays.ts";
import { judgeKept, judgeRequest, type Found } from "./requests.ts";
import { SURFACES } from "./surfaces/index.ts";
import type { SurfaceSpec } from "./surfaces/spec.ts";
import { DIALECTS, targetFor } from "./targets.ts";
import { PLACES } from "./upstreams/index.ts";

export const PAGE = new URL("../../docs/fidelity.md", import.meta.url);

export type Table = "requests" | "answers";

/** One cell: what was expected of it, and what was found. */
export interface Cell {
  readonly table: Table;
  readonly key: RequestFeature | AnswerFeature;
  readonly spec: SurfaceSpec;
  readonly dialect: DialectId;
  readonly expected: Verdict;
  readonly found: Found;
}

export interface MatrixRun {
  readonly expected: Expected;
  readonly cells: readonly Cell[];
  readonly page: string;
}

const ABSENT: Found = { word: "n-a", said: [] };
const REPLAYED: ReadonlySet<RequestFeature> = new Set(["signed-replay", "redacted-replay", "foreign-state"]);
const KEPT: ReadonlySet<RequestFeature> = new Set(["store", "state-at-provider"]);

/** Run every cell. */
export async function runMatrix(): Promise<MatrixRun> {
  const expected = readExpected();
  const cells: Cell[] = [];
  for (const key of Object.keys(REQUEST_FEATURES) as RequestFeature[]) {
    for (const spec of SURFACES) {
      for (const dialect of DIALECTS) cells.push({ table: "requests", key, spec, dialect, expected: expectedOf(expected, "requests", key, spec.surface, dialect), found: await requestCell(expected, key, spec, dialect) });
    }
  }
  for (const key of Object.keys(ANSWER_FEATURES) as AnswerFeature[]) {
    for (const spec of SURFACES) {
      for (const dialect of DIALECTS) cells.push({ table: "answers", key, spec, dialect, expected: expectedOf(expected, "answers", key, spec.surface, dialect), found: await answerCell(expected, key, spec, dialect) });
    }
  }
  return { expected, cells, page: renderPage(expected, cells) };
}

async function requestCell(expected: Expected, key: RequestFeature, spec: SurfaceSpec, dialect: DialectId): Promise<Found> {
  const target = targetFor(dialect, featureOf(key).profile ?? "plain");
  if (target === null) return ABSENT;
  if (REPLAYED.has(key)) {
    // Whether a protocol has such state is a fact of the expectation; what is written for it would be no answer of the other.
    return expectedOf(expected, "requests", key, spec.surface, dialect).word === "n-a" ? ABSENT : judgeReplay(key, spec, dialect, target);
  }
  const asks = spec.asks[key];
  if (asks === undefined) return ABSENT;
  if (KEPT.has(key) && spec.surface === "responses") return judgeKept(new Gateway(), key, spec, dialect, target);
  return judgeRequest(new Gateway(), key, spec, { ...spec.base, ...asks }, dialect, target, PLACES[dialect][key] ?? {});
}

async function answerCell(expected: Expected, key: AnswerFeature, spec: SurfaceSpec, dialect: DialectId): Promise<Found> {
  if (expectedOf(expected, "answers", key, spec.surface, dialect).word === "n-a") return ABSENT;
  const target = targetFor(dialect, key === "logprobs-out" || key === "several-choices" ? "plain" : "effort");
  return target === null ? ABSENT : judgeAnswer(new Gateway(), key, spec, dialect, target, upstreamAnswer(key, dialect));
}

/** Cells that are not as expected, one line each. */
export function disagreements(cells: readonly Cell[]): readonly string[] {
  return cells
    .filter((cell) => cell.found.word !== cell.expected.word)
    .map(({ key, spec, dialect, expected, found }) => `${key}: ${spec.surface} > ${dialect}: ${found.word}, expected ${expected.word}${found.said.length === 0 ? "" : ` (${found.said.join(" | ").slice(0, 200)})`}`);
}
