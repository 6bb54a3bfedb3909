import assert from "node:assert/strict";
import { connect } from "node:net";
import { after, before, describe, it } from "node:test";
import { startFleet, type BillRow, type Fleet, type FaultInput, type FleetProvider } from "./index.ts";
import { ask, askRaw, dataOf, oneProvider, type Bytes } from "./test-client.ts";

/** Head and body of a raw answer. */
function split(bytes: Bytes): { head: string; body: string } {
  const at = bytes.text.indexOf("\r\n\r\n");
  return { head: bytes.text.slice(0, at), body: bytes.text.slice(at + 4) };
}

for (const dialect of ["openai-chat", "anthropic-messages", "gemini"] as const) {
  describe(`faults of ${dialect} on the socket`, () => {
    let fleet: Fleet;
    let provider: FleetProvider;
    before(async () => {
      fleet = await startFleet(oneProvider(dialect));
      provider = fleet.provider("p");
    });
    after(() => fleet.close());

    const play = async (fault: FaultInput, stream: boolean): Promise<Bytes & { head: string; body: string; row: BillRow }> => {
      await fleet.script("p", [{ fault }]);
      const bytes = await askRaw(provider, stream);
      await new Promise((resolve) => { setTimeout(resolve, 10); });
      return { ...bytes, ...split(bytes), row: fleet.bill().at(-1) as BillRow };
    };
    const bill = ({ row }: { row: BillRow }): unknown[] => [row.outcome, row.input_tokens, row.output_tokens, row.cost_nano_usd, row.usage_sent];
    const closed = (body: string): boolean => body.endsWith("0\r\n\r\n");

    it("status: the code, body and headers as written, nothing billed", async () => {
      const seen = await play({ kind: "status", status: 503, body: { why: "full" }, headers: { "retry-after": "7" } }, true);
      assert.match(seen.head, /^HTTP\/1\.1 503 /);
      assert.match(seen.head, /retry-after: 7/i);
      assert.match(seen.body, /\{"why":"full"\}/);
      assert.deepEqual(bill(seen), ["refused", 0, 0, 0, false]);
    });

    it("reset: a TCP reset before any byte", async () => {
      const seen = await play("reset", true);
      assert.deepEqual([seen.text, seen.end], ["", "ECONNRESET"]);
      assert.deepEqual(bill(seen), ["reset", 0, 0, 0, false]);
    });

    it("stall before headers: silence", async () => {
      const seen = await play("stall_before_headers", false);
      assert.deepEqual([seen.text, seen.end], ["", "patience"]);
      assert.deepEqual(bill(seen), ["client_gone", 2, 0, 2000, false]);
    });

    it("stall before content: headers and what comes before content, then silence", async () => {
      const seen = await play("stall_before_content", true);
      assert.match(seen.head, /^HTTP\/1\.1 200 /);
      assert.equal(seen.end, "patience");
      assert.equal(dataOf(seen.body).length, { "openai-chat": 1, "anthropic-messages": 3, gemini: 0 }[dialect]);
      assert.deepEqual(bill(seen), ["client_gone", 2, 0, 2000, false]);
    });

    it("stall mid-stream: n words, then silence", async () => {
      const seen = await play({ kind: "stall_mid_stream", after: 3 }, true);
      assert.equal(seen.end, "patience");
      assert.deepEqual(bill(seen), ["client_gone", 2, 3, 2000 + 3 * 2000, false]);
    });

    it("cut with a reset after n words", async () => {
      const seen = await play({ kind: "cut_reset", after: 2 }, true);
      assert.equal(seen.end, "ECONNRESET");
      assert.deepEqual(bill(seen), ["cut", 2, 2, 6000, false]);
    });

    it("cut cleanly after n words: a proper end of the body without the protocol's own", async () => {
      const seen = await play({ kind: "cut_clean", after: 2 }, true);
      assert.equal(seen.end, "fin");
      assert.equal(closed(seen.body), true);
      assert.doesNotMatch(seen.body, /\[DONE\]|message_stop|finishReason/);
      assert.deepEqual(bill(seen), ["cut", 2, 2, 6000, false]);
    });

    it("cut by a FIN inside the body", async () => {
      const seen = await play({ kind: "cut_fin", after: 2 }, true);
      assert.equal(seen.end, "fin");
      assert.equal(closed(seen.body), false);
      assert.deepEqual(bill(seen), ["cut", 2, 2, 6000, false]);
    });

    it("a cut later than the last word still cuts, before the closing frames", async () => {
      const seen = await play({ kind: "cut_clean", after: 50 }, true);
      assert.doesNotMatch(seen.body, /\[DONE\]|message_stop|finishReason/);
      assert.deepEqual(bill(seen), ["cut", 2, 5, 12_000, false]);
    });

    it("malformed event: one event is no JSON, the others are", async () => {
      const seen = await play({ kind: "malformed_event", at: 1 }, true);
      const broken = dataOf(seen.body).filter((data) => {
        if (data === "[DONE]") return false;
        try {
          JSON.parse(data);
          return false;
        } catch {
          return true;
        }
      });
      assert.equal(broken.length, 1);
      assert.equal(seen.row.outcome, "garbled");
      assert.equal(seen.row.output_tokens, 5);
    });

    it("error event: an error inside a 200, before or after content", async () => {
      const early = await play({ kind: "error_event", at: 0 }, true);
      assert.match(early.head, /^HTTP\/1\.1 200 /);
      assert.ok("error" in (JSON.parse(dataOf(early.body).at(-1) ?? "") as object));
      assert.deepEqual(bill(early), ["errored", 2, 0, 2000, false]);
      const late = await play({ kind: "error_event", at: 4, type: "overloaded_error" }, true);
      assert.match(dataOf(late.body).at(-1) ?? "", /overloaded_error/);
      assert.deepEqual(bill(late), ["errored", 2, 4, 10_000, false]);
    });

    it("empty choices: a whole answer in which nothing is said", async () => {
      for (const stream of [true, false]) {
        const seen = await play("empty_choices", stream);
        assert.match(seen.head, /^HTTP\/1\.1 200 /);
        assert.deepEqual(bill(seen), ["empty", 2, 0, 2000, true]);
      }
    });

    it("missing usage: a whole answer without a bill", async () => {
      for (const stream of [true, false]) {
        const seen = await play("missing_usage", stream);
        assert.doesNotMatch(seen.body, /usage(Metadata)?":\{/);
        assert.deepEqual(bill(seen), ["answered", 2, 5, 12_000, false]);
      }
    });

    it("duplicate usage: told twice, billed once", async () => {
      const seen = await play("duplicate_usage", true);
      assert.ok(seen.body.split(/"(?:total_tokens|totalTokenCount|output_tokens)":/).length - 1 >= 2);
      assert.deepEqual(bill(seen), ["answered", 2, 5, 12_000, true]);
    });

    it("slow drip: whole in the end, in many pieces", async () => {
      const seen = await play({ kind: "slow_drip", pieces: 3, delay_ms: 1 }, true);
      assert.ok(seen.pieces >= 10, `${seen.pieces} pieces`);
      assert.deepEqual(bill(seen), ["answered", 2, 5, 12_000, true]);
    });

    it("malformed JSON, a page of HTML, and no body at all", async () => {
      const broken = await play("malformed_json", false);
      assert.throws(() => JSON.parse(broken.body));
      assert.equal(broken.row.outcome, "garbled");
      const page = await play("wrong_content_type", false);
      assert.match(page.head, /content-type: text\/html/i);
      assert.deepEqual(bill(page), ["garbled", 0, 0, 0, false]);
      const empty = await play("empty_body", false);
      assert.equal(empty.body, "");
      assert.deepEqual(bill(empty), ["empty", 0, 0, 0, false]);
    });

    it("truncated JSON: fewer bytes than announced, or a proper end too soon", async () => {
      const short = await play("truncated_json", false);
      const announced = Number(/content-length: (\d+)/i.exec(short.head)?.[1]);
      assert.equal(short.end, "fin");
      assert.ok(short.body.length < announced);
      const clean = await play({ kind: "truncated_json", clean: true }, false);
      assert.equal(closed(clean.body), true);
      assert.deepEqual(bill(clean), ["cut", 2, 2, 6000, false]);
    });

    it("refuse: nobody listens, until the script is taken away", async () => {
      await fleet.script("p", [{ fault: "refuse" }]);
      assert.equal((await askRaw(provider, false)).end, "ECONNREFUSED");
      await fleet.script("p", []);
      assert.match((await askRaw(provider, false)).text, /^HTTP\/1\.1 200 /);
    });
  });
}

describe("rules", () => {
  it("fire by model, stream and path, after so many calls, so many times", async () => {
    const fleet = await startFleet(oneProvider("openai-chat", { models: { m: { input: 1, output: 1 }, other: { input: 1, output: 1 } } }));
    try {
      const provider = fleet.provider("p");
      await fleet.script("p", [
        { match: { model: "other" }, fault: { kind: "status", status: 500 } },
        { match: { path: "/chat", stream: true }, fault: { kind: "status", status: 429 }, after: 1, times: 1 },
      ]);
      const statuses: number[] = [];
      for (const [stream, model] of [[false, "m"], [true, "m"], [true, "m"], [true, "m"], [false, "other"]] as const) {
        const response = await ask(provider, stream, { model });
        await response.arrayBuffer();
        statuses.push(response.status);
      }
      assert.deepEqual(statuses, [200, 200, 429, 200, 500]);
    } finally {
      await fleet.close();
    }
  });

  it("with a probability fire about that often, and the same way for the same seed", async () => {
    const run = async (): Promise<string> => {
      const fleet = await startFleet(oneProvider("openai-chat", { tokens_out: 1 }));
      try {
        await fleet.script("p", [{ fault: { kind: "status", status: 500 }, p: 0.3 }]);
        const statuses: number[] = [];
        for (let at = 0; at < 100; at += 1) {
          const response = await ask(fleet.provider("p"), false);
          await response.arrayBuffer();
          statuses.push(response.status);
        }
        return statuses.join();
      } finally {
        await fleet.close();
      }
    };
    const first = await run();
    assert.equal(first, await run());
    const failed = first.split(",").filter((status) => status === "500").length;
    assert.ok(failed >= 15 && failed <= 45, `${failed} of 100`);
  });

  it("refuse so many connections and then no more", async () => {
    const fleet = await startFleet(oneProvider("openai-chat"));
    try {
      await fleet.script("p", [{ fault: "refuse", times: 2 }]);
      const ends = [await askRaw(fleet.provider("p"), false), await askRaw(fleet.provider("p"), false), await askRaw(fleet.provider("p"), false)];
      assert.deepEqual(ends.map(({ text }) => text.slice(9, 12)), ["", "", "200"]);
      assert.deepEqual(fleet.refusedConnections(), { p: 2 });
    } finally {
      await fleet.close();
    }
  });

  it("are refused with the field that is wrong", async () => {
    const fleet = await startFleet(oneProvider("openai-chat"));
    try {
      await assert.rejects(async () => fleet.script("p", [{ fault: "explode" as "reset" }]), /fault/);
      assert.throws(() => fleet.provider("q"), /no provider q; it has p/);
    } finally {
      await fleet.close();
    }
  });
});

describe("the bill of a client that leaves", () => {
  const leave = async (more: Parameters<typeof oneProvider>[1]): Promise<BillRow> => {
    const fleet = await startFleet(oneProvider("openai-chat", { tokens_out: 40, token_rate: 400, ...more }));
    try {
      const provider = fleet.provider("p");
      const controller = new AbortController();
      const body = JSON.stringify({ model: "m", stream: true, messages: [{ role: "user", content: "question" }] });
      const response = await fetch(`${provider.baseUrl}/chat/completions`, {
        method: "POST", headers: { authorization: "Bearer k", "x-client-request-id": "attempt-1" }, body, signal: controller.signal,
      });
      const reader = (response.body as ReadableStream<Uint8Array>).getReader();
      for (let read = 0; read < 6; read += 1) await reader.read();
      controller.abort();
      for (let at = 0; at < 2_000 && fleet.bill()[0]?.outcome === "open"; at += 1) await new Promise((resolve) => { setTimeout(resolve, 5); });
      return fleet.bill()[0] as BillRow;
    } finally {
      await fleet.close();
    }
  };

  it("is the prompt and what was handed to the socket, with the caller's own id", async () => {
    const row = await leave({});
    assert.equal(row.outcome, "client_gone");
    assert.equal(row.client_request_id, "attempt-1");
    assert.ok(row.output_tokens >= 4 && row.output_tokens < 40, `${row.output_tokens} tokens`);
    assert.equal(row.cost_nano_usd, 2 * 1000 + row.output_tokens * 2000);
    assert.equal(row.usage_sent, false);
  });

  it("is the whole answer where the provider generates to its end all the same", async () => {
    const row = await leave({ on_disconnect: "finish" });
    assert.deepEqual([row.outcome, row.output_tokens, row.usage_sent], ["client_gone", 40, false]);
  });
});

describe("the pace", () => {
  it("is the first token's wait and then the rate, one write a token", async () => {
    const fleet = await startFleet(oneProvider("openai-chat", { first_token: 60, token_rate: 100, tokens_out: 10 }));
    try {
      const provider = fleet.provider("p");
      const started = performance.now();
      const times: number[] = [];
      const body = JSON.stringify({ model: "m", stream: true, messages: [{ role: "user", content: "question" }] });
      await new Promise<void>((resolve) => {
        const socket = connect(provider.port, provider.host, () => {
          socket.write(`POST /v1/chat/completions HTTP/1.1\r\nhost: f\r\nauthorization: Bearer k\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
        });
        socket.on("data", () => times.push(performance.now() - started));
        socket.on("close", () => resolve());
      });
      assert.ok((times.at(-1) ?? 0) >= 60 + 9 * 10 - 2, `whole after ${times.at(-1)} ms`);
      assert.ok(times.filter((at) => at > 55).length >= 8, `${times.length} pieces`);
    } finally {
      await fleet.close();
    }
  });
});
