/** Forms with files: where they are taken, from whom, and what becomes of what stands beside them. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { testGateway, type TestGateway } from "../support/gateway.ts";
import { rawExchange } from "../support/raw-client.ts";
import { json, recordingUpstream, type RecordingUpstream } from "../support/recording-upstream.ts";

const KEY = "caller-key-of-the-forms";
const TYPE = "multipart/form-data; boundary=X";
const FORM = '--X\r\nContent-Disposition: form-data; name="model"\r\n\r\nhear\r\n--X\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n\0\xff\r\n--X--\r\n';
const BODY = Buffer.from(FORM, "latin1");
const TAKING = ["/v1/audio/transcriptions", "/v1/audio/translations", "/v1/images/edits", "/v1/images/variations", "/v1/files"];
const REFUSING = ["/v1/chat/completions", "/v1/embeddings", "/v1/messages", "/v1/responses", "/v1/moderations", "/v1/images/generations", "/v1/audio/speech", "/v1/rerank", "/v1/batches", "/v2/embed", "/v1beta/models/m:embedContent"];

let upstream: RecordingUpstream;
before(async () => {
  upstream = await recordingUpstream(json({ id: "file-1", text: "heard", data: [{ url: "x" }], usage: { type: "duration", seconds: 1 } }));
});
after(() => upstream.close());

const yaml = (keys: string): string =>
  `version: 1\n${keys}providers:\n  at: { type: openai-compatible, base_url: "${upstream.origin}/v1", api_key: upstream-key-of-the-forms, models: { hear: { price: { seconds: 0.0001, images: 0.01 } } } }\n`;
async function send(gateway: TestGateway, method: string, path: string, headers: Readonly<Record<string, string>>, body?: Buffer | string): Promise<{ readonly status: number; readonly code: string; readonly message: string }> {
  const answer = await fetch(`${gateway.url}${path}`, { method, headers, ...(body === undefined ? {} : { body: typeof body === "string" ? body : new Uint8Array(body) }) });
  const told = (await answer.json()) as { error?: { code?: string; message?: string } };
  return { status: answer.status, code: told.error?.code ?? "", message: told.error?.message ?? "" };
}

describe("a form, with a caller key configured", () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await testGateway(yaml(`keys: [{ name: app, key: ${KEY} }]\n`));
  });
  after(() => gateway.close());
  const auth = { authorization: `Bearer ${KEY}` };

  it("is taken where files belong, and passes byte for byte", async () => {
    for (const path of TAKING) {
      const { status, message } = await send(gateway, "POST", path, { ...auth, "content-type": TYPE }, BODY);
      assert.equal(status, 200, `${path}: ${message}`);
      const call = upstream.calls.at(-1);
      assert.equal(call?.target, path);
      assert.ok(call?.body.equals(BODY), path);
      assert.equal(call?.header("content-type"), TYPE);
    }
  });

  it("is refused everywhere else, and other types are refused even there", async () => {
    const seen = upstream.calls.length;
    for (const path of REFUSING) assert.equal((await send(gateway, "POST", path, { ...auth, "content-type": TYPE }, BODY)).status, 415, path);
    for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/mixed; boundary=X", "multipart/form-datax; boundary=X"]) {
      assert.equal((await send(gateway, "POST", "/v1/audio/transcriptions", { ...auth, "content-type": type }, BODY)).status, 415, type);
    }
    assert.equal(upstream.calls.length, seen);
  });

  it("without the key comes to nothing, so that a page cannot send one", async () => {
    const seen = upstream.calls.length;
    for (const path of TAKING) assert.equal((await send(gateway, "POST", path, { "content-type": TYPE, origin: "https://evil.example" }, BODY)).status, 401);
    assert.equal(upstream.calls.length, seen);
  });

  it("a caller's key in the query goes no further, and an id is no way up", async () => {
    await send(gateway, "GET", `/v1/files?limit=3&key=${KEY}`, {});
    assert.equal(upstream.calls.at(-1)?.target, "/v1/files?limit=3");
    const seen = upstream.calls.length;
    // A client's own URL parser would resolve them before they leave.
    for (const id of ["..", ".", "%2e%2e", "%2E", "..%40at"]) {
      const { answers } = await rawExchange(gateway.port, `GET /v1/files/${id}/content HTTP/1.1\r\nhost: x\r\nauthorization: ${auth.authorization}\r\nconnection: close\r\n\r\n`, { answers: 1 });
      assert.equal(answers[0]?.status, 404, id);
    }
    assert.equal(upstream.calls.length, seen);
    await send(gateway, "GET", "/v1/files/..%2F..%2Fadmin%3Fx", auth);
    assert.equal(upstream.calls.at(-1)?.target, "/v1/files/..%2F..%2Fadmin%3Fx");
    assert.ok(!JSON.stringify(upstream.calls).includes(KEY));
  });
});

describe("a form, without caller keys", () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await testGateway(yaml(""));
  });
  after(() => gateway.close());

  it("is refused with what to do, since any page may send one to this machine", async () => {
    const seen = upstream.calls.length;
    for (const path of TAKING) {
      const { status, code, message } = await send(gateway, "POST", path, { "content-type": TYPE }, BODY);
      assert.deepEqual([status, code], [415, "unsupported_media_type"], path);
      assert.match(message, /SPILLWAY_API_KEY/);
    }
    assert.equal(upstream.calls.length, seen);
  });

  it("does not keep what needs no body from being asked, by others than pages", async () => {
    assert.equal((await send(gateway, "GET", "/v1/files", {})).status, 200);
    assert.equal((await send(gateway, "POST", "/v1/batches/batch_1/cancel", {})).status, 200);
    assert.equal((await send(gateway, "DELETE", "/v1/files/file-1", {})).status, 200);
    const seen = upstream.calls.length;
    assert.equal((await send(gateway, "POST", "/v1/batches/batch_1/cancel", { origin: "https://evil.example" })).status, 403);
    assert.equal((await send(gateway, "POST", "/v1/moderations", {}, "")).status, 415, "no type, no body");
    assert.equal(upstream.calls.length, seen);
  });
});

describe("files and batches, which a provider keeps for its account and not for a caller", () => {
  const asked = async (more: string): Promise<string> => {
    const gateway = await testGateway(`${yaml(`keys: [{ name: app, key: ${KEY} }, { name: other, key: another-key-of-the-gateway }]\n`)}${more}`);
    try {
      const { status, code } = await send(gateway, "GET", "/v1/files/file-1", { authorization: `Bearer ${KEY}` });
      return `${status} ${code}`;
    } finally {
      await gateway.close();
    }
  };

  it("are refused to all where there are several keys", async () => {
    assert.equal(await asked(""), "403 files_not_served");
  });

  it("are refused where the configuration turns them off", async () => {
    assert.equal(await asked("files: off\n"), "403 files_not_served");
  });

  it("are shared by all keys where the configuration says so", async () => {
    assert.equal(await asked("files: shared\n"), "200 ");
  });
});
