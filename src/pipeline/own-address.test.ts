/** What comes of a caller's own credentials and addresses is no matter of whom it shares a route with. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Deployment } from "../decide/deployment.ts";
import { classOf, judge } from "../decide/objective/judge.ts";
import type { Objective } from "../decide/objective/types.ts";
import type { RequestRecord } from "../ports.ts";
import { GOOD_STREAM } from "./test-upstream.ts";
import { deploymentOf, World } from "./test-world.ts";

const WINDOW = { kind: "rolling", lengthMs: 2_592_000_000 } as const;
const AVAILABILITY: Objective = { name: "up", kind: "availability", target: 0.99, window: WINDOW, within: [], atLeast: null, unit: null };
const SOON: Objective = { ...AVAILABILITY, name: "soon", kind: "first_token", within: [{ upToInputTokens: null, withinMs: 1_000 }] };

function own(more: Partial<Deployment> = {}): Deployment {
  return { ...deploymentOf({ name: "a" }), id: "a~team/m", account: "a~team", ...more };
}
function world(...deployments: readonly Deployment[]): World {
  return new World({ candidates: ["a"], objectives: [AVAILABILITY, SOON], strategy: "balanced", more: { candidates: deployments.map((deployment) => ({ deployment, weight: 1, automatic: false })) } });
}
function verdicts(record: RequestRecord): readonly unknown[] {
  return [classOf(record), judge(AVAILABILITY, record), judge(SOON, record)];
}

describe("a request that goes to an address of its caller's own", () => {
  it("costs the route no promise, however it fails or lingers there, and teaches it nothing", async () => {
    const failing = world(own({ ownAddress: true }));
    failing.upstream.plays("a~team", (call) => void call.refuse(500));
    await failing.ask({ stream: true });
    await failing.pass(60_000);
    assert.deepEqual(verdicts(failing.record), ["client", null, null]);
    const slow = world(own({ ownAddress: true }));
    await slow.ask({ stream: true });
    await slow.pass(9_000);
    slow.call("a~team").stream(...GOOD_STREAM).end();
    await slow.pass();
    assert.deepEqual(verdicts(slow.record), ["ok", null, null]);
    assert.equal(slow.deps.routes?.all().get("r")?.answers, 0);
  });
});

describe("a request that may go by credentials of its caller's own alone", () => {
  it("is its caller's matter where these are refused, at once and while they are left alone", async () => {
    const refused = world(own());
    await refused.ask({ stream: true });
    refused.call("a~team").refuse(401);
    await refused.pass(10);
    await refused.ask({ stream: true });
    await refused.pass(10);
    assert.deepEqual(refused.records.map(classOf), ["client", "client"]);
  });

  it("is the provider's where it fails, and the route's where a credential of the route's is refused, too", async () => {
    const down = world(own());
    down.upstream.plays("a~team", (call) => void call.refuse(500));
    await down.ask({ stream: true });
    await down.pass(60_000);
    assert.equal(classOf(down.record), "failed");
    const both = world(own(), deploymentOf({ name: "b" }));
    for (const name of ["a~team", "b"]) both.upstream.plays(name, (call) => void call.refuse(401));
    await both.ask({ stream: true });
    await both.pass(60_000);
    assert.equal(classOf(both.record), "failed");
  });
});
