import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { runFleet } from "./fleet.ts";

/** Runs the command until its control port has been named, does something, stops it; gives all that it wrote. */
async function during(args: readonly string[], act: (control: string) => Promise<void>): Promise<{ text: string; code: number }> {
  const stop = new AbortController();
  let text = "";
  let named: (url: string) => void = () => undefined;
  const control = new Promise<string>((resolve) => { named = resolve; });
  const out = { write(more: string): void {
    text += more;
    const url = /control +(http:\S+)/.exec(text)?.[1];
    if (url !== undefined) named(url);
  } };
  const running = runFleet(args, out, stop.signal);
  await act(await control);
  stop.abort();
  return { code: await running, text };
}

describe("spillway fleet", () => {
  it("serves the configured providers with their scenario, names their addresses, and sums the bill at the end", async () => {
    const folder = await mkdtemp(join(tmpdir(), "spillway-fleet-"));
    try {
      await writeFile(join(folder, "down.yaml"), "id: down\nphases: [{ from_s: 0, to_s: 60, mix: [{ p: 1, status: 503 }] }]\n");
      const models = "models: { m: { input: 1, output: 2 } }";
      await writeFile(join(folder, "fleet.yaml"), `providers:
  - { name: well, dialect: openai-chat, ${models}, tokens_out: 5 }
  - { name: ill, dialect: openai-chat, ${models}, scenario: { play: down.yaml } }
`);
      const statuses: number[] = [];
      const { text, code } = await during(["--config", join(folder, "fleet.yaml"), "--control-port", "0"], async (control) => {
        const health = (await (await fetch(`${control}/healthz`)).json()) as { providers: { baseUrl: string }[] };
        for (const { baseUrl } of health.providers) {
          const body = JSON.stringify({ model: "m", messages: [{ role: "user", content: "question" }] });
          const response = await fetch(`${baseUrl}/chat/completions`, { method: "POST", headers: { authorization: "Bearer k" }, body });
          await response.arrayBuffer();
          statuses.push(response.status);
        }
      });
      assert.deepEqual(statuses, [200, 503]);
      assert.equal(code, 0);
      assert.match(text, /^well +openai-chat +http:\/\/127\.0\.0\.1:\d+\/v1 {2}m$/m);
      assert.match(text, /2 calls, 0\.000012000 USD/);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("serves four simulated providers where nothing is configured", async () => {
    const { text } = await during(["--control-port", "0"], () => Promise.resolve());
    assert.equal(text.match(/^sim-/gm)?.length, 4);
  });

  it("says what is wrong and stops", async () => {
    const run = async (...args: string[]): Promise<[number, string]> => {
      let text = "";
      return [await runFleet(args, { write: (more) => { text += more; } }), text];
    };
    assert.match((await run("--config", "/nowhere/fleet.yaml")).join(" "), /^1 .*ENOENT/);
    assert.match((await run("--control-port", "many")).join(" "), /^2 .*found many/);
    assert.match((await run("--colour")).join(" "), /^2 .*--colour/);
    assert.match((await run("--help")).join(" "), /^0 spillway fleet/);
  });
});
