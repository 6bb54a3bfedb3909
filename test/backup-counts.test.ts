/** `spillway backup`: what objectives and canaries counted goes along, so that a restore gives back no error budget and no canary its share. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { askOwner } from "../src/cli/ask-owner.ts";
import { backUp } from "../src/storage/backup.ts";
import { testGateway, type TestGateway } from "./support/gateway.ts";
import { notingUpstream, type NotingUpstream } from "./support/upstreams.ts";

interface Canary {
  readonly state: string;
  readonly canary: { readonly requests: number };
  readonly rolled_back: unknown;
}
interface Objective {
  readonly valid: number;
  readonly bad: number;
}

const folder = mkdtempSync(join(tmpdir(), "spillway-backup-"));
after(() => rmSync(folder, { recursive: true, force: true }));

describe("a backup", () => {
  let upstream: NotingUpstream;
  let config = "";
  before(async () => {
    upstream = await notingUpstream();
    upstream.fault = ({ secret }) => (secret === "key-new" ? 500 : null);
    const account = (name: string): string => `  ${name}: { type: openai-compatible, base_url: "${upstream.url}", api_key: key-${name}, models: { m: { price: { input: 1, output: 2 } } } }\n`;
    config = `version: 1
providers:
${account("old")}${account("new")}routes:
  tried: { candidates: [old/m], objectives: { availability: { target: 99%, window: 30d } }, canary: { use: new/m, share: 50%, min_requests: 20 } }
  broken: { candidates: [new/m], objectives: { availability: { target: 99%, window: 30d } } }
`;
  });
  after(() => upstream.close());

  async function ask(gateway: TestGateway, model: string): Promise<void> {
    const response = await fetch(`${gateway.baseUrl}/chat/completions`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ model, max_tokens: 5, messages: [{ role: "user", content: "hi" }] }) });
    await response.arrayBuffer();
  }
  const canaryOf = async ({ dataDir }: TestGateway): Promise<Canary | undefined> => ((await askOwner(dataDir, "canary")) as unknown as { readonly canaries: readonly Canary[] }).canaries[0];
  const objectivesOf = async ({ dataDir }: TestGateway): Promise<readonly Objective[]> => ((await askOwner(dataDir, "objectives")) as unknown as { readonly data: readonly Objective[] }).data;

  it("starts with error budgets as far used up, and a canary that was rolled back taking nothing", async () => {
    const target = join(folder, "copy");
    const gateway = await testGateway(config);
    let was: readonly unknown[];
    try {
      for (let sent = 0; sent < 120 && (await canaryOf(gateway))?.state !== "rolled_back"; sent++) await ask(gateway, "tried");
      await ask(gateway, "broken");
      await gateway.requests();
      const [canary, objectives] = [await canaryOf(gateway), await objectivesOf(gateway)];
      assert.equal(canary?.state, "rolled_back", JSON.stringify(canary));
      assert.ok(objectives.some(({ bad }) => bad > 0), JSON.stringify(objectives));
      was = [canary.rolled_back, objectives.map(({ valid, bad }) => [valid, bad])];
      const { files } = backUp(gateway.dataDir, target, true);
      for (const name of ["objectives.json", "canary.json"]) assert.ok(files.includes(name) && (statSync(join(target, name)).mode & 0o777) === 0o600, name);
    } finally {
      await gateway.close();
    }
    const restored = await testGateway(config, { dataDir: target });
    try {
      assert.deepEqual([(await canaryOf(restored))?.rolled_back, (await objectivesOf(restored)).map(({ valid, bad }) => [valid, bad])], was);
    } finally {
      await restored.close();
    }
  });
});
