/** Accounts as they are really called: through the whole gateway, over real sockets, to servers that write down what came. */
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { after, afterEach, before, describe, it } from "node:test";
import { testGateway, type TestGateway } from "../../test/support/gateway.ts";
import { chat, json, recordingUpstream, type RecordedCall, type RecordingUpstream } from "../../test/support/recording-upstream.ts";

const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048, privateKeyEncoding: { type: "pkcs8", format: "pem" }, publicKeyEncoding: { type: "spki", format: "pem" } });

let server: RecordingUpstream;
let gateway: TestGateway | null = null;
before(async () => {
  server = await recordingUpstream();
});
after(() => server.close());
afterEach(async () => {
  await gateway?.close();
  gateway = null;
});

async function ask(providers: string, model: string): Promise<{ readonly status: number; readonly body: { choices?: { message: { content: string } }[]; error?: { message: string } }; readonly calls: readonly RecordedCall[] }> {
  server.calls.length = 0;
  gateway = await testGateway(`version: 1\nfallbacks: off\nproviders:\n${providers}`);
  const answer = await fetch(`${gateway.baseUrl}/chat/completions`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ model, messages: [{ role: "user", content: "hi" }] }) });
  return { status: answer.status, body: (await answer.json()) as never, calls: [...server.calls] };
}
/** What each call was: method and target. */
const targets = (calls: readonly RecordedCall[]): readonly string[] => calls.map((call) => `${call.method} ${call.target}`);

describe("an account", () => {
  it("with a credential file gets a token first and then speaks its dialect under project and location", async () => {
    const file = JSON.stringify({ type: "service_account", client_email: "gw@x", private_key: privateKey, token_uri: `${server.origin}/token` });
    server.answer((call, socket) => {
      const answer = call.target === "/token" ? { access_token: "ya29.t", expires_in: 3_600 } : { candidates: [{ content: { role: "model", parts: [{ text: "Hello." }] }, finishReason: "STOP" }], usageMetadata: { promptTokenCount: 2, candidatesTokenCount: 2, totalTokenCount: 4 } };
      json(answer)(call, socket);
    });
    const { status, body, calls } = await ask(`  vertex: { base_url: "${server.origin}/v1/projects/p/locations/l/publishers/google", credentials: ${JSON.stringify(file)} }\n`, "vertex/gemini-2.5-pro");
    assert.equal(status, 200, JSON.stringify(body));
    assert.equal(body.choices?.[0]?.message.content, "Hello.");
    assert.deepEqual(targets(calls), ["POST /token", "POST /v1/projects/p/locations/l/publishers/google/models/gemini-2.5-pro:generateContent"]);
    assert.equal(calls[1]?.header("authorization"), "Bearer ya29.t");
  });

  it("with a directory's client gets a token first, and calls a deployment by its own name", async () => {
    server.answer((call, socket) => (call.target.startsWith("/t1/") ? json({ access_token: "eyJ.a.b", expires_in: 3_600 }) : chat)(call, socket));
    const providers = `  azure:\n    base_url: "${server.origin}/openai/v1"\n    entra: { authority: "${server.origin}", tenant: t1, client_id: c, client_secret: s }\n    deployments: { my-mini: gpt-5-mini }\n`;
    const { status, body, calls } = await ask(providers, "azure/gpt-5-mini");
    assert.equal(status, 200, JSON.stringify(body));
    assert.deepEqual(targets(calls), ["POST /t1/oauth2/v2.0/token", "POST /openai/v1/chat/completions"]);
    assert.deepEqual([calls[1]?.header("authorization"), calls[1]?.header("api-key")], ["Bearer eyJ.a.b", undefined]);
    assert.equal((JSON.parse(calls[1]?.body.toString() ?? "") as { model: string }).model, "my-mini");
  });

  it("with a key of the same kind sends it in the header of its own", async () => {
    server.answer(chat);
    const { calls } = await ask(`  azure: { base_url: "${server.origin}/openai/v1", api_key: the-key }\n`, "azure/gpt-5-mini");
    assert.deepEqual([calls[0]?.header("authorization"), calls[0]?.header("api-key")], [undefined, "the-key"]);
  });

  it("that signs takes on its role first, and signs what goes out", async () => {
    server.answer((call, socket) => {
      if (call.target === "/") json(`<R><AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>sk</SecretAccessKey><SessionToken>tok</SessionToken><Expiration>2999-01-01T00:00:00Z</Expiration></R>`)(call, socket);
      else json({ output: { message: { role: "assistant", content: [{ text: "Hello." }] } }, stopReason: "end_turn", usage: { inputTokens: 2, outputTokens: 2, totalTokens: 4 }, metrics: { latencyMs: 1 } })(call, socket);
    });
    const account = `base_url: "${server.origin}", sts_url: "${server.origin}", region: eu-west-1, access_key_id: AKIA1, secret_access_key: s, role_arn: "arn:aws:iam::123456789012:role/gw"`;
    const { status, body, calls } = await ask(`  bedrock: { ${account} }\n`, "bedrock/amazon.nova-lite-v1:0");
    assert.equal(status, 200, JSON.stringify(body));
    assert.equal(body.choices?.[0]?.message.content, "Hello.");
    assert.deepEqual(targets(calls), ["POST /", "POST /model/amazon.nova-lite-v1%3A0/converse"]);
    assert.match(calls[0]?.header("authorization") ?? "", /^AWS4-HMAC-SHA256 Credential=AKIA1\/\d{8}\/eu-west-1\/sts\/aws4_request, /);
    assert.match(calls[1]?.header("authorization") ?? "", /^AWS4-HMAC-SHA256 Credential=ASIA1\/\d{8}\/eu-west-1\/bedrock\/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, /);
    assert.equal(calls[1]?.header("x-amz-security-token"), "tok");
  });

  it("that signs may carry a bearer key instead", async () => {
    server.answer(json({ message: "no" }, 403, { "x-amzn-errortype": "AccessDeniedException" }));
    const { calls } = await ask(`  bedrock: { base_url: "${server.origin}", region: eu-west-1, api_key: the-key }\n`, "bedrock/amazon.nova-lite-v1:0");
    assert.equal(calls[0]?.header("authorization"), "Bearer the-key");
  });

  it("whose credential is refused is not called, and no word of the secret comes out", async () => {
    server.answer(json({ error: "invalid_client", error_description: "AADSTS7000215: Invalid client secret the-secret-value provided." }, 401));
    const { status, body, calls } = await ask(`  azure: { base_url: "${server.origin}/openai/v1", entra: { authority: "${server.origin}", tenant: t1, client_id: c, client_secret: the-secret-value } }\n`, "azure/gpt-5-mini");
    assert.equal(status >= 500, true);
    assert.deepEqual(targets(calls), ["POST /t1/oauth2/v2.0/token"]);
    assert.doesNotMatch(JSON.stringify(body), /the-secret-value/);
  });
});
