/** The page on providers is what the code makes of it, and nothing else. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { codePart, PAGE, RECORDED_HEADING, recordedPart, recordingsFolder } from "../scripts/providers-doc.ts";

const folder = recordingsFolder();
const again = "run node scripts/providers-doc.ts";

describe("docs/providers.md", () => {
  const page = readFileSync(PAGE, "utf8");
  const at = page.indexOf(RECORDED_HEADING);

  it("shows each call, error and limit as the code has them", async () => {
    assert.ok(at > 0, again);
    assert.equal(page.slice(0, at), await codePart(), again);
  });

  it("shows what the recorded answers decode to", { skip: folder === null ? "shared data is absent" : false }, () => {
    assert.equal(page.slice(at), recordedPart(folder ?? ""), again);
  });

  it("holds no secret and nothing that changes from run to run", async () => {
    const text = await codePart();
    assert.equal(text, await codePart());
    assert.doesNotMatch(text, /Bearer [A-Z]|PRIVATE|Signature=[0-9a-f]/);
  });
});
