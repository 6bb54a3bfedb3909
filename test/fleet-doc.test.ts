/** What docs/fleet.md tells people to write works: the fleet's configuration and the gateway's in front of it. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { it } from "node:test";
import { parseFleetConfig, startFleet } from "../src/fleet/index.ts";
import { testGateway } from "./support/gateway.ts";

const BLOCKS = [...readFileSync(new URL("../docs/fleet.md", import.meta.url), "utf8").matchAll(/```yaml\n([^]*?)```/g)].map((block) => block[1] ?? "");

it("the fleet and the gateway of docs/fleet.md answer at every provider, and what the gateway books is what the fleet bills", async () => {
  const [fleetText = "", gatewayText = ""] = BLOCKS;
  const fleet = await startFleet({ ...parseFleetConfig(fleetText.replaceAll(/port: \d+/g, "port: 0")), time_scale: 100 });
  try {
    const addresses = fleet.providers.map((provider) => provider.baseUrl);
    const gateway = await testGateway(gatewayText.replaceAll(/http:\/\/127\.0\.0\.1:91\d\d\/v1/g, () => addresses.shift() ?? "none"));
    try {
      assert.deepEqual(addresses, [], "an address for every provider");
      for (const model of ["support", "primary/gpt-4o-mini", "second/claude-haiku-4-5"]) {
        const body = JSON.stringify({ model, messages: [{ role: "user", content: "Hello" }] });
        const answer = await fetch(`${gateway.baseUrl}/chat/completions`, { method: "POST", headers: { "content-type": "application/json" }, body });
        assert.equal(answer.status, 200, await answer.text());
      }
      const booked = (await gateway.requests()).flatMap((view) => view.attempts.map((attempt) => attempt.costNanoUsd));
      assert.deepEqual(booked, fleet.bill().map((row) => row.cost_nano_usd));
      assert.ok(booked.every((cost) => cost !== null && cost > 0), "metered by the prices that are given");
    } finally {
      await gateway.close();
    }
  } finally {
    await fleet.close();
  }
});
