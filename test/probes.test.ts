/** Probes of our own by a running gateway, told apart where requests are listed. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, it } from "node:test";
import { testGateway } from "./support/gateway.ts";

const ANSWER = JSON.stringify({ id: "c", object: "chat.completion", created: 1, model: "m", choices: [{ index: 0, message: { role: "assistant", content: "OK" }, finish_reason: "stop" }], usage: { prompt_tokens: 14, completion_tokens: 1, total_tokens: 15 } });

async function provider(asked: (body: string) => void): Promise<Server> {
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      asked(body);
      response.writeHead(200, { "content-type": "application/json" }).end(ANSWER);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

function yamlOf(server: Server, health: string): string {
  return `version: 1
${health}
providers:
  p: { type: openai-compatible, api_key: none, base_url: "http://127.0.0.1:${(server.address() as AddressInfo).port}/v1", models: { m: { price: { input: 1, output: 2 } } } }
routes: { r: { candidates: [p/m] } }
`;
}

describe("a gateway that may probe", () => {
  it("asks an idle candidate, books what it costs, and lists it as a probe", { timeout: 20_000 }, async () => {
    const bodies: string[] = [];
    const seen = Promise.withResolvers<void>();
    const server = await provider((body) => {
      bodies.push(body);
      seen.resolve();
    });
    const gateway = await testGateway(yamlOf(server, "health: { probes: { every: 1s, max_usd_per_day: 0.01 } }"));
    try {
      await seen.promise;
      const [request] = await gateway.requests();
      assert.ok(request?.record?.flags.includes("probe"), JSON.stringify(request));
      assert.equal(JSON.parse(bodies[0] as string).model, "m");
      await gateway.stop(0);
      const kept = JSON.parse(readFileSync(join(gateway.dataDir, "routes.json"), "utf8"));
      assert.ok(kept.probes.nano_usd >= 16_000, JSON.stringify(kept));
    } finally {
      await gateway.close();
      server.close();
    }
  });
});
