/** Writes docs/fidelity.md from a run of the matrix: `node scripts/fidelity-doc.ts`. A disagreement is told, and nothing is written. */
import { writeFileSync } from "node:fs";
import { disagreements, PAGE, runMatrix } from "../test/fidelity/matrix.ts";

const run = await runMatrix();
const wrong = disagreements(run.cells);
for (const line of wrong) console.error(line);
if (wrong.length > 0) process.exitCode = 1;
else writeFileSync(PAGE, run.page);
