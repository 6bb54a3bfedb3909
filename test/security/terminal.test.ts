/** Words of strangers on the operator's terminal: no name, tag, model or message makes it do anything. */
import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { after, before, describe, it } from "node:test";
import { runAudit } from "../../src/cli/audit.ts";
import { runManaged } from "../../src/cli/manage.ts";
import { runRequests } from "../../src/cli/requests.ts";
import { runSpend } from "../../src/cli/spend.ts";
import { tableHead, tableLines } from "../../src/cli/request-table.ts";
import { openLog } from "../../src/edge/log.ts";
import { loadCatalogue } from "../../src/providers/catalog/index.ts";
import { PROVIDERS } from "../../src/providers/registry.ts";
import { adminWorld, type AdminWorld } from "../admin/world.ts";

const EVIL = "a\u001b[2Jb\u009b31mc\u202ed\u0007e";
/** What a terminal obeys; the lines of our own are none of it. */
const OBEYED = /[^\P{Cc}\n]|[\u202a-\u202e\u2066-\u2069]/u;

describe("words of strangers", () => {
  let world: AdminWorld;
  let key = "";
  before(async () => {
    world = await adminWorld();
    key = await world.make("keys", { id: "app", tag_fields: ["user", "metadata.feature"] });
  });
  after(() => world.close());

  it("are refused as names and notes of objects, and as tags", async () => {
    for (const field of ["name", "note"]) {
      const refused = await world.ask("POST", "/keys", { [field]: EVIL });
      assert.deepEqual([refused.status, refused.problems], [400, [{ field, message: "expected a line of text without control characters" }]]);
    }
    assert.equal((await world.call(key, {}, { "x-spillway-tag-y": "\u009b31m" })).status, 400);
    // A field of a body is no header: the call is served, and the tag is other.
    assert.equal((await world.call(key, { user: EVIL })).status, 200);
    assert.equal((await world.call(key, { user: "plain" })).status, 200);
  });

  it("do nothing to a terminal in listings and logs", async () => {
    for (const model of [EVIL, `one/${EVIL}`, `models/one/${EVIL}`]) await world.call(key, { model });
    const [view] = (await world.gateway.requests()).slice(-1);
    let out = "";
    const write = (text: string): boolean => {
      out += text;
      return true;
    };
    const context = { out: { write }, errors: { write }, env: {}, cwd: tmpdir(), providers: PROVIDERS, catalogue: loadCatalogue() };
    const folder = ["--data-dir", world.gateway.dataDir];
    assert.equal(await runSpend(["--by", "tag:user,model", ...folder], context), 0);
    assert.match(out, /^other .*\n/m);
    assert.equal(await runManaged("keys", ["list", ...folder], context), 0);
    assert.equal(runAudit(folder, context), 0);
    const output = { write, once: () => undefined, on: () => undefined, off: () => undefined };
    assert.equal(await runRequests(folder, output as unknown as Parameters<typeof runRequests>[1]), 0);
    // Were one recorded by such a name, whatever way it came.
    assert.ok(view?.record != null);
    out += tableHead(null) + tableLines({ ...view, record: { ...view.record, model: EVIL, deployment: EVIL, route: EVIL, flags: [EVIL] } }, null);
    assert.doesNotMatch(out, OBEYED);
  });

  it("do nothing to a terminal in the text log, and look like no line of it", () => {
    const stderr = process.stderr.write.bind(process.stderr);
    let out = "";
    process.stderr.write = (text: string | Uint8Array): boolean => {
      out += String(text);
      return true;
    };
    try {
      openLog("text").error("provider_said", { message: `${EVIL}\n12:00:00.000 info  forged`, list: [EVIL] });
    } finally {
      process.stderr.write = stderr;
    }
    assert.doesNotMatch(out, OBEYED);
    assert.doesNotMatch(out, /^12:00:00/m);
    assert.match(out, /^ +12:00:00\.000 info {2}forged/m);
  });
});
