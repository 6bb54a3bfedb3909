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
  const pairs = SURFACES.flatMap((spec) => DIALECTS.map((dialect) => ({ spec, dialect })));
  for (const key of Object.keys(REQUEST_FEATURES) as RequestFeature[]) {
    for (const { spec, dialect } of pairs) {
      const verdict = expectedOf(expected, "requests", key, spec.surface, dialect);
      cells.push({ table: "requests", key, spec, dialect, expected: verdict, found: await requestCell(verdict, key, spec, dialect) });
    }
  }
  for (const key of Object.keys(ANSWER_FEATURES) as AnswerFeature[]) {
    for (const { spec, dialect } of pairs) {
      const verdict = expectedOf(expected, "answers", key, spec.surface, dialect);
      cells.push({ table: "answers", key, spec, dialect, expected: verdict, found: await answerCell(verdict, key, spec, dialect) });
    }
  }
  return { expected, cells, page: renderPage(expected, cells) };
}

/** Whether a protocol has a state, or an answer, at all is a fact of the expectation: what would be written for it would be no answer of that protocol. */
async function requestCell(expected: Verdict, key: RequestFeature, spec: SurfaceSpec, dialect: DialectId): Promise<Found> {
  const target = targetFor(dialect, featureOf(key).profile ?? "plain");
  if (target === null) return ABSENT;
  if (REPLAYED.has(key)) return expected.word === "n-a" ? ABSENT : judgeReplay(key, spec, dialect, target);
  const asks = spec.asks[key];
  if (asks === undefined) return ABSENT;
  if (KEPT.has(key) && spec.surface === "responses") return judgeKept(new Gateway(), key, spec, dialect, target);
  return judgeRequest(new Gateway(), key, spec, { ...spec.base, ...asks }, dialect, target, PLACES[dialect][key] ?? {});
}

async function answerCell(expected: Verdict, key: AnswerFeature, spec: SurfaceSpec, dialect: DialectId): Promise<Found> {
  if (expected.word === "n-a") return ABSENT;
  const target = targetFor(dialect, key === "logprobs-out" || key === "several-choices" ? "plain" : "effort");
  return target === null ? ABSENT : judgeAnswer(new Gateway(), key, spec, dialect, target, upstreamAnswer(key, dialect));
}

/** Cells that are not as expected, one line each. */
export function disagreements(cells: readonly Cell[]): readonly string[] {
  return cells
    .filter((cell) => cell.found.word !== cell.expected.word)
    .map(({ key, spec, dialect, expected, found }) => {
      const said = found.said.length === 0 ? "" : ` (${found.said.join(" | ").slice(0, 200)})`;
      return `${key}: ${spec.surface} > ${dialect}: ${found.word}, expected ${expected.word}${said}`;
    });
}
