/** WebSocket upgrades are not served: each path says so in its surface's own form, and the connection is closed. */
import assert from "node:assert/strict";
import { connect } from "node:net";
import { after, before, it } from "node:test";
import { testGateway, type TestGateway } from "./support/gateway.ts";

let gateway: TestGateway;
before(async () => {
  gateway = await testGateway("version: 1\nproviders: { near: { type: openai-compatible, base_url: \"http://127.0.0.1:9/v1\", api_key: none } }\n");
});
after(() => gateway.close());

function upgrade(path: string): Promise<string> {
  return told(`GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`);
}

function told(request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(gateway.port, "127.0.0.1", () => socket.write(request));
    let text = "";
    socket.on("data", (chunk) => (text += chunk.toString()));
    socket.on("end", () => resolve(text));
    socket.on("error", reject);
  });
}

const FORMS: Readonly<Record<string, (body: Record<string, unknown>) => unknown>> = {
  "/v1/responses": (body) => (body["error"] as { code: string }).code,
  "/v1/realtime?model=m": (body) => (body["error"] as { code: string }).code,
  "/v1/messages": (body) => body["type"] === "error" && "upgrade_not_supported",
  "/v1beta/models/m:generateContent": (body) => (body["error"] as { code: number }).code === 426 && "upgrade_not_supported",
};

for (const [path, codeOf] of Object.entries(FORMS)) {
  it(`an upgrade of ${path} is answered 426 in its own form`, async () => {
    const text = await upgrade(path);
    const [head = "", body = ""] = text.split("\r\n\r\n");
    assert.match(head, /^HTTP\/1\.1 426 Upgrade Required\r\n/);
    assert.match(head, /\r\nConnection: close/);
    const told = JSON.parse(body) as Record<string, unknown>;
    assert.equal(codeOf(told), "upgrade_not_supported", body);
    assert.match(body, /WebSocket/);
    const id = /\r\nx-request-id: (req_\w+)\r\n/.exec(head)?.[1] ?? "none";
    assert.ok(head.includes(`\r\nrequest-id: ${id}\r\n`), head);
    assert.match(head, /\r\nx-should-retry: false\r\n/);
  });
}

it("an offer to go on in another protocol is not taken, and its request is answered as if it had made none", async () => {
  const body = JSON.stringify({ model: "near/m", messages: [] });
  const text = await told(`POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: Upgrade, HTTP2-Settings, close\r\nupgrade: h2c\r\nhttp2-settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
  assert.match(text, /^HTTP\/1\.1 400 /);
  assert.match(text, /"param":"messages"/);
});
