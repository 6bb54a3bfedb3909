/** The table of the client matrix has no holes that nobody gave a reason for. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { AREAS, type Row } from "./row.ts";
import { TABLE } from "./table.ts";
import { DIALECTS, KINDS, UPSTREAMS } from "./world.ts";

describe("the client matrix", () => {
  for (const [sdk, rows] of Object.entries<Readonly<Record<string, Row>>>(TABLE)) {
    it(`has ${sdk} show each area on each dialect and upstream, or says why not`, () => {
      const holes: string[] = [];
      for (const area of AREAS) {
        const showing = Object.values(rows).filter((row) => row.areas.includes(area));
        for (const kind of KINDS) {
          for (const dialect of DIALECTS) {
            if (!showing.some((row) => row.cells[kind].includes(dialect) || row.why !== null)) holes.push(`${area}, ${dialect}, ${kind}`);
          }
        }
      }
      assert.deepEqual(holes, []);
    });
  }

  it("gives a reason where cells are missing, and none where they are not", () => {
    for (const row of Object.values(TABLE).flatMap((rows) => Object.values<Row>(rows))) {
      const { fleet, aimock } = row.cells;
      // Rows of some SDKs are shown on the protocols that only the mock plays, too.
      const more = UPSTREAMS.some((upstream) => aimock.includes(upstream) && !DIALECTS.some((dialect) => dialect === upstream));
      const whole = DIALECTS.every((dialect) => fleet.includes(dialect)) && (more ? UPSTREAMS : DIALECTS).every((dialect) => aimock.includes(dialect));
      assert.equal(row.why === null, whole, row.areas.join());
    }
  });
});
