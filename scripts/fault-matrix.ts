/**
 * Runs the fault matrix and writes docs/fault-matrix.md. Refuses where a cell is not as the table wants it.
 *
 *   node scripts/fault-matrix.ts
 */
import { writeFileSync } from "node:fs";
import { disagreements, PAGE, runMatrix } from "../test/fault-matrix/matrix.ts";

const startMs = performance.now();
const run = await runMatrix();
const problems = [...disagreements(run), ...run.judged.flatMap(({ cell, contradictions }) => contradictions.map((one) => `${cell.id}: ${one}`))];
for (const problem of problems) process.stdout.write(`${problem}\n`);
process.stdout.write(`${run.cells.length} cells in ${((performance.now() - startMs) / 1_000).toFixed(1)} s, ${problems.length} problems\n`);
if (problems.length > 0) process.exitCode = 1;
else writeFileSync(PAGE, run.page);
