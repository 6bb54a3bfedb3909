/** Calls priced again after their price was corrected: rows, periods, budgets, and who may do it. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { CommandContext } from "../../src/cli/context.ts";
import { runReconcile } from "../../src/cli/reconcile.ts";
import { adjustLedger, type AdjustOrder } from "../../src/compose/adjust.ts";
import { openControl } from "../../src/compose/control.ts";
import { loadConfig } from "../../src/config/source.ts";
import type { Role } from "../../src/control/types.ts";
import { costNanoUsd, gatewayConfig, startFleet, type Fleet, type FleetConfig } from "../../src/fleet/index.ts";
import { loadCatalogue } from "../../src/providers/catalog/index.ts";
import { PROVIDERS } from "../../src/providers/registry.ts";
import { openDataDir } from "../../src/storage/data-dir.ts";
import type { AttemptView } from "../../src/storage/rows.ts";
import { SqliteStorage } from "../../src/storage/sqlite.ts";
import { testGateway } from "../support/gateway.ts";
import { sendMixed } from "./mixed-traffic.ts";

const BEFORE = { input: 2.5, output: 10, cache_read: 1.25, tiers: { flex: { input: 1.25, output: 5, cache_read: 0.625 }, priority: { input: 5, output: 20, cache_read: 2.5 } } };
const AFTER = { input: 3, output: 9, cache_read: 0.5, tiers: { flex: { input: 1, output: 4, cache_read: 0.25 }, priority: { input: 6, output: 24, cache_read: 3 } } };
const LATER = { ...AFTER, output: 8 };
const SINCE = "2020-01-01";
const REQUESTS = 120;

describe("a corrected price", () => {
  let fleet: Fleet;
  let config: FleetConfig;
  let folder: string;
  const dataDir = (): string => join(folder, "data");

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "spillway-rerate-"));
    config = {
      seed: 5,
      providers: [{ name: "one", dialect: "openai-chat", models: { m: BEFORE }, cached_share: 0.3, tier_served: 0.7, tokens_out: 10_000, script: [{ fault: "missing_usage", p: 0.1 }, { fault: { kind: "status", status: 500 }, p: 0.05 }] }],
    };
    fleet = await startFleet(config);
    const gateway = await testGateway(yaml(BEFORE), { dataDir: dataDir() });
    try {
      await sendMixed(gateway.url, REQUESTS, 5, ["first"]);
    } finally {
      await gateway.close();
    }
  });
  after(async () => {
    await fleet.close();
    rmSync(folder, { recursive: true, force: true });
  });

  function yaml(price: typeof BEFORE): string {
    const [provider] = config.providers;
    const priced: FleetConfig = { ...config, providers: [{ ...provider, name: "one", dialect: "openai-chat", models: { m: price } }] };
    const more = { routes: { first: { candidates: ["one/m"] } }, budgets: { month: { scopes: ["tenant/default"], period: "month", limit_usd: 100 } } };
    return gatewayConfig(priced, fleet, { more });
  }

  async function rerate(price: typeof BEFORE, ...args: readonly string[]): Promise<{ readonly code: number; readonly out: string; readonly errors: string }> {
    writeFileSync(join(folder, "spillway.yaml"), yaml(price));
    let [out, errors] = ["", ""];
    const context: CommandContext = { ...world(), out: { write: (text) => (out += text) }, errors: { write: (text) => (errors += text) } };
    const code = await runReconcile(["rerate", "--model", "one/m", "--from", SINCE, ...args, "--config", join(folder, "spillway.yaml"), "--data-dir", dataDir()], context);
    return { code, out, errors };
  }

  function world(): Omit<CommandContext, "out" | "errors"> {
    return { env: {}, cwd: folder, providers: PROVIDERS, catalogue: loadCatalogue() };
  }

  /** The rows as they stand, and what the month's budget stands at by its own balance. */
  async function ledger(): Promise<{ readonly attempts: readonly AttemptView[]; readonly balanceNanoUsd: number; readonly totalNanoUsd: number }> {
    const dir = openDataDir(dataDir());
    const storage = new SqliteStorage(dir.ledgerPath, { checkpointEveryMs: 0 });
    try {
      const loaded = loadConfig({ configFile: join(folder, "spillway.yaml"), ...world() });
      assert.ok(loaded.ok);
      storage.limit(loaded.config.budgets);
      const attempts = [...storage.reader.requests({ limit: 10_000 })].flatMap((request) => request.attempts);
      const balanceNanoUsd = storage.budgets.book.balanceOf(loaded.config.budgets[0]?.id ?? "", Date.now())?.settledNanoUsd ?? -1;
      return { attempts, balanceNanoUsd, totalNanoUsd: attempts.reduce((sum, { costNanoUsd: cost }) => sum + (cost ?? 0), 0) };
    } finally {
      await storage.close();
      dir.close();
    }
  }

  /** By the fleet's arithmetic, from the counts of the row. */
  function priced(view: AttemptView, price: typeof BEFORE): number {
    const { input = 0, cache_read: cached = 0, output = 0, reasoning = 0 } = view.units;
    const tier = view.flags.find((flag) => flag.startsWith("tier:"))?.slice(5);
    return costNanoUsd(price, { input: input + cached, cached, output: output + reasoning }, {}, tier);
  }

  it("changes nothing where no price changed", async () => {
    const { code, out } = await rerate(BEFORE, "--apply");
    assert.equal(code, 0);
    assert.match(out, /^No call would cost something else\.\nLeft as they are: /);
  });

  it("shows what would change, by call and by period, and changes nothing yet", async () => {
    const { code, out, errors } = await rerate(AFTER);
    assert.deepEqual([code, errors], [0, ""]);
    assert.match(out, /period +deployment +calls +was USD +is USD +difference/);
    assert.match(out, /not billed/);
    const json = (await rerate(AFTER, "--json")).out.trim().split("\n").map((line) => JSON.parse(line) as { readonly attempt_id: string; readonly cost_nano_usd: number });
    const { attempts, balanceNanoUsd, totalNanoUsd } = await ledger();
    assert.ok(attempts.every(({ corrections }) => corrections === 0));
    assert.equal(balanceNanoUsd, totalNanoUsd);
    const billed = attempts.filter(({ state }) => state === "charged" || state === "estimated");
    assert.ok(billed.some(({ state }) => state === "estimated") && billed.some(({ flags }) => flags.includes("tier:flex")) && billed.some(({ flags }) => flags.includes("tier:priority")));
    const changed = billed.filter((view) => view.costNanoUsd !== priced(view, AFTER));
    const costs = (of: readonly (readonly [string, number])[]) => Object.fromEntries(of);
    assert.deepEqual(costs(json.map((line) => [line.attempt_id, line.cost_nano_usd])), costs(changed.map((view) => [view.attemptId, priced(view, AFTER)])));
    assert.ok(json.length > REQUESTS * 0.9);
  });

  it("is written as adjusting rows in the calls' own periods, and the budgets' balances move with them", async () => {
    const before = await ledger();
    const { code, out } = await rerate(AFTER, "--apply");
    assert.equal(code, 0);
    assert.match(out, /\d+ calls adjusted by -?\$\d+\.\d{9}\n$/);
    const now = await ledger();
    const was = new Map(before.attempts.map((view) => [view.attemptId, view]));
    for (const view of now.attempts) {
      const old = was.get(view.attemptId);
      assert.ok(old !== undefined);
      assert.deepEqual([view.period, view.atMs, view.units, view.state, view.outcome], [old.period, old.atMs, old.units, old.state, old.outcome]);
      if (view.state === "unbilled" || old.costNanoUsd === priced(view, AFTER)) assert.equal(view.corrections, 0);
      else {
        assert.deepEqual([view.corrections, view.costNanoUsd], [1, priced(view, AFTER)]);
        assert.ok(view.flags.includes("rerated"));
        assert.notEqual(view.priceVersion, old.priceVersion);
      }
    }
    assert.notEqual(now.totalNanoUsd, before.totalNanoUsd);
    assert.equal(now.balanceNanoUsd, now.totalNanoUsd);
  });

  it("adds nothing when it is made a second time", async () => {
    const before = await ledger();
    const { out } = await rerate(AFTER, "--apply");
    assert.match(out, /^No call would cost something else\.\n/);
    assert.deepEqual(await ledger(), before);
  });

  it("says so where there is no call of that model", async () => {
    assert.match((await rerate(AFTER, "--model", "one/mm")).out, /^There are no calls of that model in that time\.\n/);
  });

  it("is made by the running gateway where there is one, once for two orders at a time", async () => {
    const gateway = await testGateway(yaml(LATER), { dataDir: dataDir() });
    try {
      const [one, other] = await Promise.all([rerate(LATER, "--apply"), rerate(LATER, "--apply")]);
      assert.deepEqual([one.code, other.code], [0, 0], one.errors + other.errors);
      const views = (await gateway.requests()).flatMap((request) => request.attempts).filter(({ state }) => state !== "unbilled");
      for (const view of views) {
        const costs = [BEFORE, AFTER, LATER].map((price) => priced(view, price));
        assert.deepEqual([view.corrections, view.costNanoUsd], [costs.filter((cost, at) => at > 0 && cost !== costs[at - 1]).length, costs[2]]);
      }
      const audit = gateway.managed.store.audit({ after: 0, limit: 100 });
      assert.match(audit.map(({ action, actor }) => `${action} by ${actor}`).join(), /rerate by local/);
      const figures = audit.find(({ action }) => action === "rerate")?.detail as { readonly calls?: { readonly to?: unknown }; readonly difference_usd?: { readonly to?: unknown } };
      assert.ok(Number(figures.calls?.to) > 0 && Number(figures.difference_usd?.to) !== 0, JSON.stringify(figures));
    } finally {
      await gateway.close();
    }
    const { balanceNanoUsd, totalNanoUsd } = await ledger();
    assert.equal(balanceNanoUsd, totalNanoUsd);
  });

  it("is for owners and billing members of the organisation that runs the place", async () => {
    const dir = openDataDir(dataDir());
    const control = openControl(dir.path);
    const storage = new SqliteStorage(dir.ledgerPath, { checkpointEveryMs: 0 });
    try {
      const [view] = [...storage.reader.requests({ limit: 10_000 })].flatMap((request) => request.attempts).filter(({ state }) => state === "charged");
      assert.ok(view !== undefined);
      const { attemptId, costNanoUsd: cost, units, flags, priceVersion } = view;
      const order: AdjustOrder = { reason: "rerate", note: "a test", adjustments: [{ attemptId, wasNanoUsd: cost, costNanoUsd: 1, state: "charged", units, flags, priceVersion }] };
      const by = async (role: Role | "key", tenant = "default") => (await adjustLedger({ storage, store: control.store, nowMs: Date.now() }, { id: "someone", tenant, role }, order)).kind;
      for (const role of ["admin", "developer", "viewer", "key"] as const) assert.equal(await by(role), "refused", role);
      assert.equal(await by("owner", "elsewhere"), "refused");
      assert.equal(storage.reader.attemptsByIds([attemptId])[0]?.costNanoUsd, cost);
      assert.equal(await by("billing"), "done");
      assert.equal(storage.reader.attemptsByIds([attemptId])[0]?.costNanoUsd, 1);
      // Decided when the call still cost something else: left, and told.
      const stale = await adjustLedger({ storage, store: control.store, nowMs: Date.now() }, { id: "someone", tenant: "default", role: "owner" }, { ...order, adjustments: order.adjustments.map((one) => ({ ...one, costNanoUsd: 2 })) });
      assert.ok(stale.kind === "done");
      assert.deepEqual([stale.made, stale.left], [0, [attemptId]]);
    } finally {
      await storage.close();
      control.close();
      dir.close();
    }
  });
});
