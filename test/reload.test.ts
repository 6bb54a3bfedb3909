/** A configuration that changes under a running gateway: by the file alone and by SIGHUP, whole or not at all. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { parse, stringify } from "yaml";
import { checkFleetConfig, gatewayConfig, startFleet, type Fleet } from "../src/fleet/index.ts";
import { childGateway, type ChildGateway } from "./support/gateway.ts";
import { begin, call, sdk, type Ask, type Seen } from "./support/load.ts";

const config = checkFleetConfig({
  providers: [
    { name: "old", dialect: "openai-chat", models: { m: { input: 1, output: 2 } }, first_token: 10, token_rate: 40, tokens_out: 10_000 },
    { name: "new", dialect: "anthropic-messages", models: { m: { input: 3, output: 4 } }, first_token: 10, token_rate: 40, tokens_out: 10_000 },
  ],
});
const base = mkdtempSync(join(tmpdir(), "spillway-reload-"));
after(() => rmSync(base, { recursive: true, force: true }));

/** A gateway of its own for each test, with its file, and the simulated providers behind it. */
class Place {
  readonly folder = mkdtempSync(join(base, "place-"));
  readonly file = join(this.folder, "config", "spillway.yaml");
  readonly keyFile = join(this.folder, "secret", "key");
  readonly fleet: Fleet;
  gateway!: ChildGateway;

  constructor(fleet: Fleet) {
    this.fleet = fleet;
  }

  static async open(): Promise<Place> {
    const place = new Place(await startFleet(config));
    mkdirSync(join(place.folder, "config"));
    mkdirSync(join(place.folder, "secret"));
    writeFileSync(place.keyFile, "first-key\n");
    place.write(place.yaml(["old"]));
    place.gateway = await childGateway("", { dataDir: join(place.folder, "data"), args: ["--config", place.file, "--log", "json"] });
    return place;
  }

  /** A configuration of the accounts named, with the route `chat` over them in that order. */
  yaml(accounts: readonly string[], keyed = false): string {
    const whole = parse(gatewayConfig(config, this.fleet)) as { providers: Record<string, unknown> };
    return stringify({
      version: 1,
      ...(keyed ? { keys: [{ name: "app", key: `\${file:${this.keyFile}}` }] } : {}),
      providers: Object.fromEntries(accounts.map((account) => [account, whole.providers[account]])),
      routes: { chat: { candidates: accounts.map((account) => `${account}/m`) } },
    });
  }

  write(text: string): void {
    writeFileSync(this.file, text);
  }

  async served(key?: string): Promise<Seen> {
    return await call(sdk(this.gateway.baseUrl, key), ask());
  }

  begin(more: Partial<Ask> = {}): ReturnType<typeof begin> {
    return begin(sdk(this.gateway.baseUrl), ask(more));
  }

  logged(event: string): readonly Record<string, unknown>[] {
    const lines = this.gateway.output().split("\n").filter((line) => line.startsWith("{") && line.endsWith("}"));
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>).filter((line) => line["msg"] === event);
  }

  refusals(): readonly string[] {
    return this.logged("config_not_reloaded").map((line) => String(line["error"]));
  }

  /** `spillway check` as a person or a pipeline runs it. */
  async check(): Promise<{ readonly code: number; readonly text: string }> {
    try {
      const { stdout, stderr } = await promisify(execFile)(process.execPath, [join(import.meta.dirname, "../src/cli/main.ts"), "check", "--config", this.file]);
      return { code: 0, text: stdout + stderr };
    } catch (error) {
      const failed = error as { code: number; stdout: string; stderr: string };
      return { code: failed.code, text: failed.stdout + failed.stderr };
    }
  }

  async close(): Promise<void> {
    await this.gateway.kill9();
    await this.fleet.close();
  }
}

const ask = (more: Partial<Ask> = {}): Ask => ({ model: "chat", stream: false, inputTokens: 10, maxTokens: 2, ...more });

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const giveUpAtMs = performance.now() + 10_000;
  while (!(await holds())) {
    assert.ok(performance.now() < giveUpAtMs, `not within 10 s: ${what}`);
    await sleep(20);
  }
}

/** A test with a place of its own. */
function promise(name: string, run: (place: Place) => Promise<void>): void {
  test(name, async () => {
    const place = await Place.open();
    try {
      await run(place);
    } finally {
      await place.close();
    }
  });
}

describe("a configuration that changes under a running gateway", { concurrency: true }, () => {
  promise("is taken up by itself; a stream that runs is not disturbed, the next request meets the new one", async (place) => {
    const running = place.begin({ stream: true, maxTokens: 80 });
    await until("the stream has begun", () => running.seen.events > 0);
    place.write(place.yaml(["new"]));
    await until("the new configuration serves", async () => (await place.served()).deployment === "new/m");
    assert.equal(running.seen.kind, "open", "the stream was to outlast the change");
    const whole = await running.done;
    assert.deepEqual([whole.kind, whole.deployment, whole.events], ["finished", "old/m", 80]);
    assert.equal(place.logged("config_reloaded").length, 1, "one change, one reload");
  });

  promise("does not take from a running request what it may still fail over to", async (place) => {
    place.write(place.yaml(["old", "new"]));
    await until("both serve", () => place.logged("config_reloaded").length === 1);
    // Long enough that the change comes in between.
    await place.fleet.script("old", [{ fault: { kind: "status", status: 500, delay_ms: 2_000 }, times: 1 }]);
    const running = place.begin();
    await until("the first attempt is under way", () => place.fleet.bill().some((row) => row.outcome === "open"));
    place.write(place.yaml(["old"]));
    await until("the new configuration is taken up", () => place.logged("config_reloaded").length === 2);
    assert.equal(running.seen.kind, "open", "the first attempt was to outlast the change");
    const whole = await running.done;
    assert.deepEqual([whole.kind, whole.deployment, whole.error], ["finished", "new/m", null]);
  });

  promise("is refused whole if it is wrong: the old one serves on, and the log names file, line and key, as `spillway check` does", async (place) => {
    assert.equal((await place.check()).code, 0);
    const good = place.yaml(["new"]);
    const line = good.split("\n").findIndex((text) => text.includes("candidates:")) + 1;
    place.write(good.replace("candidates:", "candidate:"));
    // It is one line for each thing that is wrong.
    await until("the refusal is logged with the line of the wrong key", () => place.refusals().some((text) => text.includes(`spillway.yaml:${line}:`) && text.includes("candidates")));
    assert.equal((await place.served()).deployment, "old/m");
    const checked = await place.check();
    assert.ok(checked.code === 1 && checked.text.includes(`spillway.yaml:${line}:`), checked.text);

    place.write(good);
    await until("the mended file is taken up", async () => (await place.served()).deployment === "new/m");
    assert.equal((await place.check()).code, 0);
  });

  promise("is refused by file and line if a name in it leads nowhere", async (place) => {
    const text = `${place.yaml(["new"])}aliases:\n  fast: no-such-route\n`;
    const line = text.split("\n").findIndex((one) => one.includes("no-such-route")) + 1;
    place.write(text);
    await until("the refusal is logged", () => place.refusals().length > 0);
    const told = place.refusals().join("\n");
    assert.ok(told.includes(`spillway.yaml:${line}:`) && told.includes("no-such-route"), told);
    assert.equal((await place.served()).deployment, "old/m");
    const checked = await place.check();
    assert.ok(checked.code === 1 && checked.text.includes(`spillway.yaml:${line}:`), checked.text);
  });

  promise("is read again at SIGHUP, also where only a file that it names has changed", async (place) => {
    place.write(place.yaml(["old"], true));
    await until("the key is asked for", async () => (await place.served("none")).error?.startsWith("401") === true);
    assert.equal((await place.served("first-key")).kind, "finished");
    writeFileSync(place.keyFile, "second-key\n");
    assert.equal((await place.served("second-key")).kind, "error", "nothing told the gateway yet");
    place.gateway.child.kill("SIGHUP");
    await until("the new key is taken", async () => (await place.served("second-key")).kind === "finished");
    assert.match((await place.served("first-key")).error ?? "", /^401/);

    place.write("version: 1\nproviders: [\n");
    place.gateway.child.kill("SIGHUP");
    await until("the refusal is logged", () => place.refusals().length > 0);
    assert.match(place.refusals()[0] ?? "", /spillway\.yaml:\d+/);
    assert.equal((await place.served("second-key")).kind, "finished");
  });
});
