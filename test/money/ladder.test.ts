/** The ladder of a budget, rung by rung through a whole gateway: told, then served by the route's cheaper candidates, then refused. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { gatewayConfig, startFleet, type Fleet, type FleetConfig } from "../../src/fleet/index.ts";
import { alertsTold, type AlertsTold } from "../support/alerts-told.ts";
import { testGateway, type TestGateway } from "../support/gateway.ts";
import { HI } from "./calls.ts";

const KEY = "caller-key-on-the-ladder";
/** A dear answer costs a cent, a cheap one a tenth of it. */
const CONFIG: FleetConfig = {
  seed: 7,
  providers: [
    { name: "dear", dialect: "openai-chat", tokens_out: 1_000, models: { m: { input: 1, output: 10 } } },
    { name: "cheap", dialect: "openai-chat", tokens_out: 1_000, models: { m: { input: 0.1, output: 1 } } },
  ],
};
const LIMIT_USD = 0.1;
const WARNING = /a budget is nearly spent, so the route's cheaper candidates answer/;

interface Step {
  readonly status: number;
  readonly deployment: string | null;
  readonly warned: boolean;
  readonly text: string;
}

describe("a budget with thresholds, cheaper_at and a limit", { timeout: 30_000 }, () => {
  let fleet: Fleet;
  let alerts: AlertsTold;
  let gateway: TestGateway;
  before(async () => {
    fleet = await startFleet(CONFIG);
    alerts = await alertsTold();
    const budget = (name: string): object => ({ scope: `key/${name}`, period: "month", limit_usd: LIMIT_USD, alerts: [50], cheaper_at: 60 });
    gateway = await testGateway(gatewayConfig(CONFIG, fleet, { more: {
      keys: [{ name: "saving", key: `${KEY}-saving` }, { name: "stubborn", key: `${KEY}-stubborn` }],
      fallbacks: "off",
      budgets: { saving: budget("saving"), stubborn: budget("stubborn") },
      routes: { ladder: { candidates: ["dear/m"], cheaper: ["cheap/m"] }, steep: { candidates: ["dear/m"] } },
      notify: [alerts.channel(["budget_alert", "budget_refused"])],
    } }));
  });
  after(async () => {
    await gateway.close();
    await Promise.all([fleet.close(), alerts.close()]);
  });

  const ask = async (key: string, model: string): Promise<Step> => {
    const answer = await fetch(`${gateway.baseUrl}/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${KEY}-${key}`, "content-type": "application/json" },
      body: JSON.stringify({ model, messages: HI, max_tokens: 1_000 }),
    });
    return { status: answer.status, deployment: answer.headers.get("x-spillway-deployment"), warned: WARNING.test(answer.headers.get("x-spillway-warning") ?? ""), text: await answer.text() };
  };
  /** One after the other until one is refused. */
  const climb = async (key: string, model: string): Promise<readonly Step[]> => {
    const steps: Step[] = [];
    while (steps.length < 200) {
      steps.push(await ask(key, model));
      if (steps.at(-1)?.status !== 200) break;
    }
    return steps;
  };
  const hear = async (title: RegExp): Promise<void> => {
    await alerts.until((one) => title.test(one.title));
  };

  it("is told, moves to cheaper candidates with a word to the client, and then refuses", async () => {
    const steps = await climb("saving", "ladder");
    const served = steps.slice(0, -1);
    const turn = served.findIndex((one) => one.deployment === "cheap/m");
    assert.equal(turn, 6, "six dear answers are 60 % of the limit");
    assert.ok(served.slice(0, turn).every((one) => one.deployment === "dear/m" && !one.warned));
    assert.ok(served.slice(turn).every((one) => one.deployment === "cheap/m" && one.warned));
    const last = steps.at(-1);
    assert.equal(last?.status, 402, last?.text);
    assert.match(last?.text ?? "", /The budget config:saving allows key\/saving \$0\.10 a month/);
    assert.ok(served.length >= turn + 35, `cheaper answers go on to the end: ${served.length - turn}`);
    const spent = fleet.bill().reduce((sum, row) => sum + row.cost_nano_usd, 0);
    assert.ok(spent <= LIMIT_USD * 1e9 && spent >= 0.95 * LIMIT_USD * 1e9, `${spent}`);
    await hear(/^50 % of the budget config:saving is spent$/);
    await hear(/^Requests are refused: the budget of key\/saving$/);
    assert.equal(alerts.told.filter(({ kind }) => kind === "budget_alert").length, 1, "each threshold once");
  });

  it("goes straight on to the refusal on a route that has no cheaper candidates", async () => {
    const steps = await climb("stubborn", "steep");
    const served = steps.slice(0, -1);
    assert.equal(served.length, 9, "nine dear answers and the bound of a tenth are more than the limit");
    assert.ok(served.every((one) => one.deployment === "dear/m" && !one.warned));
    assert.equal(steps.at(-1)?.status, 402);
    await hear(/^50 % of the budget config:stubborn is spent$/);
  });

  it("is told in the records", async () => {
    const views = await gateway.requests();
    const warned = views.filter((view) => view.record?.warnings.some((text) => WARNING.test(text)));
    const served = warned.filter((view) => view.record?.status === 200);
    assert.ok(served.length > 30 && served.every((view) => view.record?.deployment === "cheap/m"));
    assert.deepEqual(views.filter((view) => view.record?.errorCode === "budget_exceeded").map((view) => view.record?.route), ["ladder", "steep"]);
  });
});
