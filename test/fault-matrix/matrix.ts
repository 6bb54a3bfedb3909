/** The matrix from its table to its page; run by the test and by the script that writes the page. */
import { cellsOf, expectedOf, readExpected, type Cell, type Expected } from "./cells.ts";
import { judge, type Judged } from "./findings.ts";
import { renderPage } from "./render.ts";
import { runCells, type Evidence } from "./world.ts";

export const PAGE = new URL("../../docs/fault-matrix.md", import.meta.url);

export interface MatrixRun {
  readonly expected: Expected;
  readonly cells: readonly Cell[];
  readonly evidence: Evidence;
  readonly judged: readonly Judged[];
  readonly page: string;
}

/** Run all cells, a few at a time. */
export async function runMatrix(): Promise<MatrixRun> {
  const expected = readExpected();
  const cells = cellsOf(expected);
  const evidence = await runCells(cells);
  const judged = judge(cells, evidence);
  return { expected, cells, evidence, judged, page: renderPage(expected, judged.map((one) => asExpected(expected, one))) };
}

/** Cells that are not as the table wants them, one line each. */
export function disagreements({ expected, judged }: Pick<MatrixRun, "expected" | "judged">): readonly string[] {
  return judged.flatMap(({ cell, finding }) => {
    const wanted = expectedOf(expected, cell);
    const differing = (Object.keys(wanted) as (keyof typeof wanted)[]).filter((key) => !agrees(wanted[key], finding[key]));
    return differing.map((key) => `${cell.id}: ${key} is ${finding[key]}, expected ${wanted[key]}`);
  });
}

/** Where the table leaves two words open, the page shows the table's: which of them it was may differ from run to run. */
function asExpected(expected: Expected, judged: Judged): Judged {
  const { money } = expectedOf(expected, judged.cell);
  return agrees(money, judged.finding.money) ? { ...judged, finding: { ...judged.finding, money } } : judged;
}

/** `a or b` is met by either. */
function agrees(wanted: string | number, found: string | number): boolean {
  return typeof wanted === "number" ? wanted === found : wanted === found || wanted.split(" or ").includes(String(found));
}
