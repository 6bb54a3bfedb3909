/** What strangers chose, in the cells of a table that is opened by a spreadsheet. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { csvLine, csvText } from "./usage-view.ts";

describe("a cell that a stranger chose", () => {
  for (const text of ["=1+1", "+1", "-1+cmd", "@SUM(1)", "\t=1", "＝1+1", "＠SUM(1)"]) {
    it(`is no formula: ${JSON.stringify(text)}`, () => assert.equal(csvText(text), `'${text}`));
  }

  it("is one cell also where semicolons part cells, so that none begins with a sign amid it", () => {
    assert.equal(csvLine([csvText("x;=cmd|' /C calc'!A0"), csvText("a,b"), csvText('say "hi"'), csvText("plain")]), `"x;=cmd|' /C calc'!A0","a,b","say ""hi""",plain\r\n`);
  });
});
