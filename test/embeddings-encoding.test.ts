/** Vectors come as the client asked for them, also from hosts that answer with numbers whatever was asked. */
import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { testGateway, type TestGateway } from "./support/gateway.ts";
import { json, recordingUpstream, type RecordingUpstream } from "./support/recording-upstream.ts";

let host: RecordingUpstream;
let gateway: TestGateway;
before(async () => {
  host = await recordingUpstream();
  gateway = await testGateway(`version: 1\nproviders: { near: { type: openai-compatible, base_url: "${host.origin}/v1", api_key: none } }\n`);
});
after(async () => {
  await gateway.close();
  await host.close();
});

const VECTORS = [[0.25, -3.5, 1e-3], [7, 0, 0.1]];
const answer = (data: readonly unknown[]) => ({ object: "list", model: "m", extra: { kept: true }, data, usage: { prompt_tokens: 2, total_tokens: 2 } });
const rows = (embeddings: readonly unknown[]) => embeddings.map((embedding, index) => ({ object: "embedding", index, embedding }));

async function ask(format: string | undefined): Promise<{ readonly text: string; readonly data: readonly { readonly index: number; readonly embedding: unknown }[] }> {
  const body = { model: "near/m", input: ["a", "b"], ...(format === undefined ? {} : { encoding_format: format }) };
  const reply = await fetch(`${gateway.baseUrl}/embeddings`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  const text = await reply.text();
  assert.equal(reply.status, 200, text);
  return { text, ...(JSON.parse(text) as { data: [] }) };
}

it("case 50: base64 is little-endian 32-bit floats in the order of the texts, though the host gave numbers", async () => {
  host.answer(json(answer(rows(VECTORS))));
  const { text, data } = await ask("base64");
  assert.deepEqual(data.map(({ index }) => index), [0, 1]);
  data.forEach(({ embedding }, i) => {
    assert.ok(typeof embedding === "string", text);
    const bytes = Buffer.from(embedding, "base64");
    assert.deepEqual(Array.from({ length: bytes.length / 4 }, (_, at) => bytes.readFloatLE(at * 4)), (VECTORS[i] as number[]).map(Math.fround));
  });
  assert.match(text, /"extra":\{"kept":true\}/);
});

it("case 50: what the host gave as it was asked passes byte for byte", async () => {
  const inBytes = JSON.stringify(answer(rows(["AACAPg==", "AADgQA=="])));
  host.answer(json(inBytes));
  assert.equal((await ask("base64")).text, inBytes);
  const inNumbers = JSON.stringify(answer(rows(VECTORS)));
  host.answer(json(inNumbers));
  assert.equal((await ask("float")).text, inNumbers);
  assert.equal((await ask(undefined)).text, inNumbers);
});
