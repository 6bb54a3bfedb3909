import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, it } from "node:test";
import { parse } from "yaml";
import { runDemo, type DemoOutput, type StartGateway } from "./demo.ts";
import { Tally } from "./demo-tally.ts";
import { bar, painter, picture } from "./demo-view.ts";

class Screen implements DemoOutput {
  text = "";
  #written: () => void = () => undefined;
  readonly isTTY: boolean;
  constructor(isTTY: boolean) {
    this.isTTY = isTTY;
  }
  write(text: string): void {
    this.text += text;
    this.#written();
  }
  /** Resolves when the pattern is on the screen. */
  async shows(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.text)) await new Promise<void>((resolve) => { this.#written = resolve; });
  }
}

const SPARE = ['{"choices":[{"delta":{"content":"spare "}}]}', '{"choices":[{"delta":{},"finish_reason":"stop"}]}', "[DONE]"];

/** The least a gateway can be: the first provider, and where it fails an answer from its own pocket (or its error). */
function smallGateway(rescue: boolean): StartGateway {
  return async (yamlText) => {
    const config = parse(yamlText) as { providers: Record<string, { base_url: string; api_key: string }>; routes: { demo: { candidates: string[] } } };
    const candidate = config.routes.demo.candidates[0] ?? "";
    const [account = "", model = ""] = candidate.split("/");
    const upstream = config.providers[account];
    assert.ok(upstream);
    const server = createServer((req, res) => {
      void (async () => {
        let body = "";
        for await (const chunk of req as AsyncIterable<Buffer>) body += chunk.toString();
        const asked = { ...(JSON.parse(body) as object), model };
        const answer = await fetch(`${upstream.base_url}/chat/completions`, {
          method: "POST", headers: { authorization: `Bearer ${upstream.api_key}` }, body: JSON.stringify(asked),
        });
        if (answer.status === 200) {
          res.writeHead(200, { "x-spillway-deployment": candidate }).end(await answer.text());
          return;
        }
        await answer.arrayBuffer();
        if (!rescue) res.writeHead(502).end();
        else res.writeHead(200, { "x-spillway-deployment": "second/demo-chat" }).end(SPARE.map((data) => `data: ${data}\n\n`).join(""));
      })().catch(() => res.destroy());
    });
    await new Promise<void>((resolve) => { server.listen(0, "127.0.0.1", resolve); });
    return {
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      close: () => new Promise((resolve) => { server.close(() => resolve()).closeAllConnections(); }),
    };
  };
}

describe("the demo", () => {
  it("ends by itself with a summary: no error at the client, failures behind the gateway, the primary back", async () => {
    const screen = new Screen(false);
    const code = await runDemo(["--seconds", "3", "--rate", "25"], screen, smallGateway(true));
    assert.equal(code, 0);
    assert.match(screen.text, /00:00 {2}healthy/);
    assert.match(screen.text, /00:01 {2}outage/);
    assert.match(screen.text, /got a whole answer, 0 an error/);
    const [, answered, failed] = /primary +answered +(\d+), failed +(\d+)/.exec(screen.text) ?? [];
    assert.ok(Number(answered) > 5 && Number(failed) > 5, screen.text);
    assert.equal(screen.text.includes("\u001b"), false);
  });

  it("counts what the client saw where the gateway does not help, and says so by its exit code", async () => {
    const screen = new Screen(false);
    assert.equal(await runDemo(["--seconds", "2", "--rate", "25"], screen, smallGateway(false)), 1);
    assert.match(screen.text, /\d+ \(\d+ × status 502\) an error/);
  });

  it("stopped early, tells what was seen and nothing of what was to come", async () => {
    const screen = new Screen(false);
    const stop = new AbortController();
    const running = runDemo(["--seconds", "60", "--rate", "50"], screen, smallGateway(true), stop.signal);
    await screen.shows(/requests [1-9]/);
    stop.abort();
    const stoppedMs = performance.now();
    assert.equal(await running, 0);
    assert.ok(performance.now() - stoppedMs < 5_000, "it waited for answers that nobody wants any more");
    const [, sent, whole, waiting = "0"] = /(\d+) requests were sent; (\d+) got a whole answer, 0 an error\.(?: (\d+) were still waiting\.)?/.exec(screen.text) ?? [];
    assert.equal(Number(sent), Number(whole) + Number(waiting), screen.text);
    assert.match(screen.text, /What happened \(stopped after 00:0\d of 01:00\)/);
    assert.match(screen.text, /First token: .*, before the outage\./);
    assert.doesNotMatch(screen.text, /last tenth|outage included/);
  });

  it("redraws one picture in place on a terminal and gives the cursor back", async () => {
    const screen = new Screen(true);
    await runDemo(["--seconds", "1", "--rate", "20"], screen, smallGateway(true));
    const heights = new Set(screen.text.split("\u001b[").flatMap((part) => /^(\d+)A/.exec(part)?.[1] ?? []));
    assert.equal(heights.size, 1);
    assert.ok(screen.text.lastIndexOf("\u001b[?25h") > screen.text.lastIndexOf("\u001b[?25l"));
    assert.match(screen.text, /█/);
  });

  it("says what is wrong with its options before it starts anything", async () => {
    for (const args of [["--seconds", "0"], ["--rate", "x"], ["--speed", "9"]]) {
      const screen = new Screen(false);
      assert.equal(await runDemo(args, screen, () => Promise.reject(new Error("started"))), 2);
      assert.match(screen.text, /--(seconds|rate|speed)/);
    }
  });
});

describe("the demo's picture", () => {
  it("shows who answers, what failed out of sight, the client's errors, first tokens and cost", () => {
    const tally = new Tally(["primary", "second"], 1000);
    const seen = { attempts: 1, firstTokenMs: 250, costUsd: 0.001, error: null };
    for (let at = 0; at < 6; at += 1) {
      tally.sent();
      tally.done({ ...seen, account: at < 4 ? "primary" : "second" }, 3000 + at * 100);
    }
    tally.sent();
    tally.done({ ...seen, account: null, error: "cut off", costUsd: null }, 3600);
    tally.sent();
    const lines = picture(tally.view(4000, 60_000, "outage", (name) => (name === "primary" ? 7 : 0)), painter(false)).join("\n");
    assert.match(lines, /00:04 of 01:00 {3}the primary is down/);
    assert.match(lines, /primary +█+.*1\.3\/s +4 answered +7 failed/);
    assert.match(lines, /second +█.* 0\.7\/s +2 answered/);
    assert.match(lines, /requests 8 {3}in flight 1 {3}errors the client saw 1 \(1 × cut off\)/);
    assert.match(lines, /p50 250 ms {3}p99 250 ms/);
    assert.match(lines, /\$0\.006000/);
    assert.equal(tally.shareSince("second", 3400), 1);
  });

  it("draws bars in eighths of a cell, never longer than their place", () => {
    assert.equal(bar(0), "·".repeat(30));
    assert.equal(bar(2), "█".repeat(30));
    assert.equal(bar(0.5), "█".repeat(15) + "·".repeat(15));
    assert.equal(bar(1 / 240), `▏${"·".repeat(29)}`);
  });
});
