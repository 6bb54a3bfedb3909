/** What happens in a running gateway reaches those who mind it: over real sockets, signed, once, and through the command line. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { testMail, type TestMail } from "../../src/edge/test-mail.ts";
import { createObject, updateObject } from "../../src/control/manage.ts";
import { LOCAL_ACTOR } from "../../src/compose/control.ts";
import { verifySignature } from "../../src/notify/sign.ts";
import { runCommand } from "../support/command.ts";
import { testGateway, type TestGateway } from "../support/gateway.ts";
import { json, recordingUpstream, type RecordingUpstream } from "../support/recording-upstream.ts";

const KEY = "caller-key-of-the-alarmed";
const SECRET = "what-the-receiver-knows";

interface Told {
  readonly kind: string;
  readonly severity: string;
  readonly title: string;
  readonly text: string;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly scopes: readonly string[];
}

/** A receiver of webhooks that one can wait at. */
class Receiver {
  readonly told: Told[] = [];
  readonly #upstream: RecordingUpstream;
  #heard: () => void = () => undefined;

  constructor(upstream: RecordingUpstream) {
    this.#upstream = upstream;
    upstream.answer((call, socket) => {
      if (call.header("x-spillway-signature") !== undefined) assert.ok(verifySignature(SECRET, call.body.toString(), call.header("x-spillway-signature") ?? "", Date.now()));
      this.told.push(JSON.parse(call.body.toString()) as Told);
      json({})(call, socket);
      this.#heard();
    });
  }

  get url(): string {
    return `${this.#upstream.origin}/in/t0ken`;
  }

  /** The first of this kind, as soon as it is there. */
  async of(kind: string): Promise<Told> {
    for (;;) {
      const found = this.told.find((one) => one.kind === kind);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => (this.#heard = resolve));
    }
  }
}

let provider: RecordingUpstream;
let hooks: RecordingUpstream;
let receiver: Receiver;
let mail: TestMail;
let gateway: TestGateway;
const dataDir = mkdtempSync(join(tmpdir(), "spillway-alerts-"));
const file = join(dataDir, "..", `${dataDir.split("/").at(-1)}.yaml`);

function answering(completionTokens: number): void {
  provider.answer(json({ id: "1", object: "chat.completion", created: 1, model: "m", choices: [{ index: 0, message: { role: "assistant", content: "hi" }, finish_reason: "stop" }], usage: { prompt_tokens: 5, completion_tokens: completionTokens, total_tokens: 5 + completionTokens } }));
}

async function ask(model: string): Promise<number> {
  const response = await fetch(`${gateway.baseUrl}/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json" },
    body: JSON.stringify({ model, max_tokens: 4_000, messages: [{ role: "user", content: "hi" }] }),
  });
  await response.arrayBuffer();
  return response.status;
}

before(async () => {
  provider = await recordingUpstream();
  hooks = await recordingUpstream();
  receiver = new Receiver(hooks);
  mail = await testMail();
  const account = (name: string): string => `  ${name}: { type: openai-compatible, base_url: "${provider.origin}/v1", api_key: upstream-key-of-${name}, models: { m: { price: { input: 1, output: 2 } } } }\n`;
  const yaml = `version: 1
keys: [{ name: app, key: "${KEY}" }]
fallbacks: off
providers:
${account("near")}${account("beyond")}${account("shut")}budgets:
  near-limit: { scopes: [key/app, provider/near], period: day, limit_usd: 0.01, alerts: [50, 80, 100] }
  overrun: { scopes: [key/app, provider/beyond], period: day, limit_usd: 1, alerts: [] }
notify:
  - { name: ops, type: webhook, url: "${receiver.url}", secret: ${SECRET} }
  - { name: mail, type: smtp, host: 127.0.0.1, port: ${mail.port}, tls: none, from: spillway@x.test, to: [ops@x.test], kinds: [overrun] }
  - { name: silent, type: slack, url: "${receiver.url}", scopes: [team/nobody] }
`;
  writeFileSync(file, yaml);
  gateway = await testGateway(yaml, { dataDir });
});
after(async () => {
  await gateway?.close();
  await Promise.all([provider.close(), hooks.close(), mail.close()]);
  rmSync(dataDir, { recursive: true, force: true });
  rmSync(file, { force: true });
});

describe("of a running gateway", { timeout: 120_000 }, () => {
  it("a threshold that a charge crossed is told, the highest of several, and then the first refusal", async () => {
    answering(4_000);
    assert.equal(await ask("near/m"), 200);
    const alert = await receiver.of("budget_alert");
    assert.deepEqual([alert.title, alert.severity, alert.fields["settled_usd"], alert.fields["limit_usd"]], ["80 % of the budget config:near-limit is spent", "warning", "0.008005", "0.01"]);
    assert.deepEqual([await ask("near/m"), await ask("near/m")], [402, 402]);
    const refused = await receiver.of("budget_refused");
    assert.match(refused.text, /allows key\/app \+ provider\/near \$0\.01 a day.*by the key app\./);
    assert.deepEqual(refused.scopes, ["key/app", "provider/near"]);
    assert.equal(refused.fields["budget"], "config:near-limit");
    assert.equal(receiver.told.filter(({ kind }) => kind === "budget_alert").length, 1);
    assert.equal(receiver.told.filter(({ kind }) => kind === "budget_refused").length, 1);
  });

  it("a bill beyond what was held is told at once, by mail too", async () => {
    answering(9_000);
    assert.equal(await ask("beyond/m"), 200);
    const told = await receiver.of("overrun");
    assert.equal(told.severity, "critical");
    assert.match(told.title, /^Billed \$0\.0\d+ beyond what was held under the budget config:overrun$/);
    while (mail.mails.length === 0) await new Promise((resolve) => setImmediate(resolve));
    assert.match(mail.mails[0] ?? "", /^Subject: \[Spillway\] critical: Billed \$0/m);
  });

  it("a credential that is refused is told with what to do", async () => {
    provider.answer(json({ error: { message: "no" } }, 401));
    assert.ok((await ask("shut/m")) >= 400);
    const told = await receiver.of("provider_excluded");
    assert.deepEqual([told.title, told.severity, told.scopes], ["The account shut is taken out: auth", "critical", ["provider/shut"]]);
    assert.match(told.text, /spillway providers retry shut/);
  });

  it("a managed channel takes alerts as soon as it is there, sealed at rest; one that is disabled takes none", async () => {
    const asked = { kind: "channel", tenant: "default", actor: LOCAL_ACTOR };
    const made = createObject(gateway.managed, asked, "managed", { type: "webhook", url: `${receiver.url}?second`, secret: SECRET, kinds: ["test"] });
    assert.equal(made.kind, "done");
    const shown = JSON.stringify(made.kind === "done" && gateway.managed.kinds.get("channel")?.show?.(made.object));
    assert.ok(!shown.includes(SECRET) && !shown.includes("t0ken") && shown.includes("url_host"), shown);
    assert.ok(!JSON.stringify(gateway.managed.store.get("channel", "managed")).includes("t0ken"));
    assert.ok(!JSON.stringify(gateway.managed.store.audit({ after: 0, limit: 100 })).includes(SECRET));
    const listed = await runCommand(["notify", "--json", "--data-dir", dataDir]);
    const names = listed.out.trim().split("\n").map((line) => (JSON.parse(line) as { channel: string }).channel);
    assert.deepEqual(names, ["config:ops", "config:mail", "config:silent", "managed"]);
    assert.ok(!listed.out.includes("t0ken") && !listed.out.includes(SECRET));
    assert.equal(updateObject(gateway.managed, asked, "managed", { disabled: true }).kind, "done");
    assert.equal((await runCommand(["notify", "test", "managed", "--data-dir", dataDir])).code, 1);
    assert.equal(updateObject(gateway.managed, asked, "managed", { disabled: false }).kind, "done");
  });

  it("a test goes to one channel or to all, through the gateway and without one, and says what failed", async () => {
    const one = await runCommand(["notify", "test", "managed", "--data-dir", dataDir]);
    assert.deepEqual([one.code, one.errors], [0, ""]);
    assert.match(one.out, /^managed +webhook +127\.0\.0\.1:\d+ +delivered$/m);
    hooks.answer(json({}, 404));
    const all = await runCommand(["notify", "test", "--data-dir", dataDir]);
    assert.equal(all.code, 1);
    assert.match(all.out, /^ops .*failed: answered 404$/m);
    assert.match(all.out, /^mail +smtp .*delivered$/m);
    await gateway.close();
    const direct = await runCommand(["notify", "test", "--json", "--config", file, "--data-dir", dataDir]);
    const rows = direct.out.trim().split("\n").map((line) => JSON.parse(line) as { channel: string; delivered: boolean });
    assert.deepEqual(rows.map(({ channel, delivered }) => [channel, delivered]), [["config:ops", false], ["config:mail", true], ["config:silent", false], ["managed", false]]);
    assert.match((await runCommand(["notify", "test", "nobody", "--config", file, "--data-dir", dataDir])).errors, /there is no channel nobody/);
    assert.equal(statSync(join(dataDir, "alerts.json")).mode & 0o777, 0o600);
  });
});
