/** The commands of administration, as people run them, against a running gateway's data folder. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, describe, it } from "node:test";
import type { JsonObject } from "../../src/wire/json.ts";
import { parseUsd } from "../../src/wire/money.ts";
import { openReadOnly } from "../../src/storage/data-dir.ts";
import { runAudit } from "../../src/cli/audit.ts";
import { runBackup } from "../../src/cli/backup.ts";
import { runManaged } from "../../src/cli/manage.ts";
import { runSpend } from "../../src/cli/spend.ts";
import { runToken } from "../../src/cli/token.ts";
import { loadCatalogue } from "../../src/providers/catalog/index.ts";
import { PROVIDERS } from "../../src/providers/registry.ts";
import { runCommand, type CommandResult } from "../support/command.ts";
import { testGateway } from "../support/gateway.ts";
import { adminWorld, type AdminWorld } from "./world.ts";

const folder = mkdtempSync(join(tmpdir(), "spillway-commands-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const linesOf = (text: string): readonly JsonObject[] => text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as JsonObject);

/** In this process, but for one test: a process takes a second to begin. */
async function runHere(args: readonly string[]): Promise<CommandResult> {
  let out = "";
  let errors = "";
  const context = { out: { write: (text: string) => (out += text) }, errors: { write: (text: string) => (errors += text) }, env: {}, cwd: folder, providers: PROVIDERS, catalogue: loadCatalogue() };
  const [command = "", ...rest] = args;
  const commands: Readonly<Record<string, () => number | Promise<number>>> = { spend: () => runSpend(rest, context), audit: () => runAudit(rest, context), backup: () => runBackup(rest, context), token: () => runToken(rest, context) };
  const own = commands[command];
  const code = await (own === undefined ? runManaged(command, rest, context) : own());
  return { code, out, errors };
}

describe("commands of administration", () => {
  let world: AdminWorld;
  const run = (...args: readonly string[]): Promise<CommandResult> => runHere([...args, "--data-dir", world.gateway.dataDir]);
  before(async () => {
    world = await adminWorld();
  });
  after(() => world.close());

  it("are there", async () => {
    for (const args of [["teams", "list"], ["spend"], ["audit"]]) assert.equal((await runCommand([...args, "--data-dir", world.gateway.dataDir], { cwd: folder })).code, 0, args.join(" "));
  });

  it("list and show a configuration's own objects, of this folder or of the file that is named", async () => {
    const config = join(folder, "elsewhere.yaml");
    writeFileSync(config, "version: 1\nproviders:\n  openai: { api_key: sk-x }\nlimits:\n  slow: { scope: key/app, concurrency: 1 }\n");
    const listed = await run("limits", "list", "--json", "--config", config);
    assert.deepEqual(linesOf(listed.out).map((one) => [one["id"], one["source"]]), [["config:slow", "config"]]);
    assert.match((await run("limits", "list", "--config", config)).out, /^id +source +fields\nconfig:slow +config +/);
    assert.equal((JSON.parse((await run("limits", "show", "config:slow", "--config", config)).out) as { readonly concurrency: number }).concurrency, 1);
    assert.match((await run("limits", "list")).out, /no limits yet.*--config <file>/);
  });

  it("make objects, show secrets once, list, change and delete", async () => {
    assert.deepEqual(await run("teams", "create", "search", "--name", "Search"), { code: 0, out: "team search: made\n", errors: "" });
    const made = await run("keys", "create", "app", "--team", "search", "--routes", "one/*,two/*", "--max-request-usd", "0.05", "--default-max-output", "100");
    assert.equal(made.code, 0, made.errors);
    const key = /^key: (spw_default_\S+)   \(shown once/m.exec(made.out)?.[1] ?? "";
    assert.equal((await world.call(key)).status, 200);
    const listed = await run("keys", "list", "--json");
    const [app] = linesOf(listed.out);
    assert.deepEqual([app?.["id"], app?.["team"], app?.["routes"], app?.["max_request_usd"], app?.["default_max_output"]], ["app", "search", ["one/*", "two/*"], "0.05", 100]);
    assert.ok(!listed.out.includes(key.slice(17)) && !listed.out.includes("hash"));
    const rotated = await run("keys", "rotate", "app", "--grace-seconds", "0", "--json");
    const next = ((linesOf(rotated.out)[0] ?? {})["once"] as JsonObject)["key"] as string;
    assert.deepEqual([(await world.call(key)).status, (await world.call(next)).status], [401, 200]);
    assert.equal((await run("keys", "update", "app", "--disabled")).code, 0);
    assert.equal((await world.call(next)).status, 401);
    assert.equal((await run("keys", "update", "app", "--clear", "disabled,max-request-usd")).code, 0);
    assert.equal((await world.call(next)).status, 200);
    assert.equal(linesOf((await run("keys", "show", "app", "--json")).out)[0]?.["max_request_usd"], undefined);
    assert.equal((await run("budgets", "create", "day", "--scope", "team/search", "--period", "day", "--limit-usd", "10", "--alerts", "50,90")).code, 0);
    assert.deepEqual(linesOf((await run("budgets", "show", "day", "--json")).out)[0]?.["alerts"], [50, 90]);
  });

  it("say what is wrong, and which", async () => {
    const wrong: readonly (readonly [readonly string[], number, RegExp])[] = [
      [["keys", "create", "x", "--team", "nobody"], 1, /team: there is no team nobody/],
      [["keys", "create", "x", "--tem", "search"], 2, /there is no field tem; there are: .*--team/],
      [["keys", "paint", "x"], 2, /there is no "paint" for keys: list, create, show, update, delete, rotate/],
      [["keys", "show", "x"], 1, /there is no key x/],
      [["keys", "delete"], 2, /delete needs the id/],
      [["teams", "delete", "search"], 1, /in use: key app/],
      [["budgets", "create", "b", "--scope", "team/search", "--period", "month", "--limit-usd", "-1"], 1, /limit_usd/],
      [["spend", "--by", "nobody"], 2, /--by: there is no nobody/],
      [["spend", "--from", "yesterday"], 2, /--from: expected a day/],
      [["spend", "--focus", "--by", "team"], 2, /--focus has rows of its own, by day: leave out --by/],
    ];
    for (const [args, code, pattern] of wrong) {
      const result = await run(...args);
      assert.equal(result.code, code, `${args.join(" ")}: ${result.errors}`);
      assert.match(result.errors, pattern);
    }
    const nobody = await runHere(["keys", "create", "x", "--data-dir", join(folder, "none")]);
    assert.deepEqual([nobody.code, /no gateway runs/.test(nobody.errors)], [1, true]);
  });

  it("rotate the administrator's token: the old one ends, and the new one is on no disk", async () => {
    const { out } = await run("token", "rotate");
    const token = out.trim();
    assert.match(token, /^spa_[\w-]{43}$/);
    assert.equal((await world.ask("GET", "/me")).status, 401);
    assert.equal((await world.askAs(token, "GET", "/me")).json["role"], "owner");
    for (const name of ["control.db", "control.db-wal", "ledger.db"]) {
      const path = join(world.gateway.dataDir, name);
      if (existsSync(path)) assert.ok(!readFileSync(path).includes(token.slice(4)), name);
    }
  });

  it("tell spend as the ledger has it, and who changed what", async () => {
    await world.gateway.requests();
    const reader = openReadOnly(world.gateway.dataDir);
    const ledger = reader.totals().reduce((sum, one) => sum + one.costNanoUsd, 0n);
    reader.close();
    const rows = linesOf((await run("spend", "--by", "key,model", "--json")).out);
    assert.equal(BigInt(parseUsd(rows.at(-1)?.["total_usd"]) ?? -1), ledger);
    assert.deepEqual(rows.slice(0, -1).map((row) => [row["key"], row["model"]]), [["app", "chat"]]);
    assert.match((await run("spend", "--by", "team", "--csv")).out, /^team,requests,.*\r\nsearch,/);
    assert.match((await run("spend", "--focus")).out, /^AvailabilityZone,BilledCost,/);
    assert.match((await run("spend")).out, /requests +in +out +usd +corrected +total\n/);
    const audit = await run("audit", "--json");
    assert.deepEqual(linesOf(audit.out).filter((line) => line["kind"] === "key").map((line) => line["action"]), ["create", "rotate", "update", "update"]);
    assert.deepEqual(await run("audit", "verify"), { code: 0, out: "Every line is as it was written, and none is missing.\n", errors: "" });
  });

  it("back up a running gateway to a folder that starts with the same totals, objects and keys", async () => {
    const target = join(folder, "copy");
    const key = /^key: (\S+)/m.exec((await run("keys", "create", "kept", "--team", "search")).out)?.[1] ?? "";
    await world.call(key);
    await world.gateway.requests();
    const backup = await run("backup", target);
    assert.equal(backup.code, 0, backup.errors);
    assert.match(backup.out, /^Copied control.db, ledger.db/);
    for (const name of ["control.db", "ledger.db"]) assert.equal(statSync(join(target, name)).mode & 0o777, 0o600, name);
    assert.equal((await run("backup", target)).code, 1, "a folder that holds something is not written over");
    const totals = async (dataDir: string): Promise<string> => (await runHere(["spend", "--by", "key,model,day", "--json", "--from", "2020-01-01", "--to", "2100-01-01", "--data-dir", dataDir])).out;
    assert.equal(await totals(target), await totals(world.gateway.dataDir));
    const restored = await testGateway("version: 1\nproviders: { local: { type: openai, base_url: http://127.0.0.1:1/v1, api_key: x } }\n", { dataDir: target });
    try {
      assert.equal(restored.adminToken, null, "the token of the original is that of the copy");
      const { status } = await fetch(`${restored.baseUrl}/models`, { headers: { authorization: `Bearer ${key}` } });
      assert.equal(status, 200, "keys of the original are keys of the copy");
      assert.equal(restored.managed.store.get("team", "search")?.body["name"], "Search");
      assert.equal(restored.managed.store.verifyAudit(), null);
    } finally {
      await restored.close();
    }
    assert.equal(await totals(target), await totals(world.gateway.dataDir), "and starting on it settled or lost nothing");
  });

  it("find the line of the log that somebody changed", async () => {
    const target = join(folder, "forged");
    assert.equal((await run("backup", target, "--without-key")).code, 0);
    const db = new DatabaseSync(join(target, "control.db"));
    db.exec("UPDATE audit SET actor = 'nobody' WHERE sequence = 3");
    db.close();
    const result = await runCommand(["audit", "verify", "--json", "--data-dir", target], { cwd: folder });
    assert.deepEqual([result.code, linesOf(result.out)[0]], [1, { valid: false, sequence: 3, problem: "the line, or one before it, is not as it was written" }]);
  });
});
