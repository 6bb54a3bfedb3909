import assert from "node:assert/strict";
import { it } from "node:test";
import { usageQueryOf } from "./report-terms.ts";

it("tells everything that is wrong with what a report is asked for", () => {
  const found = usageQueryOf(new Map([["by", "planet"], ["from", "yesterday"], ["time_zone", "Mars"]]), "default", Date.parse("2026-11-23T00:00:00Z"));
  assert.ok("map" in found);
  assert.deepEqual(found.map(({ field }) => field), ["time_zone", "by", "from"]);
});
