import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { CHUNK_ERROR, CHUNK_FINISH, CHUNK_MALFORMED, CHUNK_USAGE, chunkTextBytes, scanChunk } from "./chunk-scan.ts";
import { CONTAINERS_MAX, removalOf, scanBody, splice, type BodyScan } from "./scan.ts";

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

function members(text: string): [string, string][] {
  const bytes = encode(text);
  const scan = scanBody(bytes);
  assert.equal(scan.kind, "object");
  return (scan as Extract<BodyScan, { kind: "object" }>).members.map((one) => [
    one.key,
    decode(bytes.subarray(one.valueStart, one.valueEnd)),
  ]);
}

test("top-level members are found with the exact range of their values", () => {
  assert.deepEqual(members(' { "model" : "a\\"b" ,"x":[1,{"model":2}], "n":-1.5e3 , "s":{ } } '), [
    ["model", '"a\\"b"'],
    ["x", '[1,{"model":2}]'],
    ["n", "-1.5e3"],
    ["s", "{ }"],
  ]);
});

test("a key that is read, twice at one level, is a duplicate, also when escaped or nested", () => {
  for (const text of [
    '{"model":"a","model":"b"}',
    '{"model":"a","mod\\u0065l":"b"}',
    '{"messages":[{"role":"user","content":"a","content":"b"}]}',
    '{"stream_options":{"include_usage":true,"include_usage":false}}',
  ]) {
    assert.equal(scanBody(encode(text)).kind, "duplicate", text);
  }
});

test("the same key at different levels, and unknown keys twice, are no duplicates", () => {
  assert.equal(scanBody(encode('{"type":"a","x":{"type":"b"},"y":[{"type":1},{"type":2}]}')).kind, "object");
  assert.equal(scanBody(encode('{"zzz":1,"zzz":2}')).kind, "object");
});

test("fields of every protocol that is served are held to one occurrence, wherever they stand", () => {
  const bodies = {
    messages: ['{"system":"a","system":"b"}', '{"x":[{"tool_use_id":"a","tool_use_id":"b"}]}', '{"output_config":{"effort":"low","effort":"max"}}', '{"stop_sequences":[],"stop_sequences":["x"]}', '{"source":{"media_type":"a","media_type":"b"}}', '{"is_error":true,"is_error":false}', '{"mcp_servers":[],"mcp_servers":[1]}', '{"container":1,"container":2}', '{"input_schema":{},"input_schema":{}}'],
    "generate content": ['{"contents":[],"contents":[1]}', '{"contents":[{"parts":[],"parts":[1]}]}', '{"generationConfig":{"maxOutputTokens":1,"maxOutputTokens":9}}', '{"generation_config":{"max_output_tokens":1,"max_output_tokens":9}}', '{"generationConfig":{"candidateCount":1,"candidateCount":8}}', '{"systemInstruction":{},"systemInstruction":{}}', '{"functionCall":{"args":{},"args":{}}}', '{"thoughtSignature":"a","thoughtSignature":"b"}', '{"inlineData":{},"inlineData":{}}'],
    responses: ['{"instructions":"a","instructions":"b"}', '{"previous_response_id":"a","previous_response_id":"b"}', '{"reasoning":{"effort":"low"},"reasoning":{}}', '{"input":[{"call_id":"a","call_id":"b"}]}', '{"output":"a","output":"b"}', '{"encrypted_content":"a","encrypted_content":"b"}'],
    cohere: ['{"documents":[],"documents":[1]}', '{"p":0.1,"p":0.2}', '{"k":1,"k":2}', '{"strict_tools":true,"strict_tools":false}'],
    converse: ['{"inferenceConfig":{"maxTokens":1,"maxTokens":9}}', '{"toolConfig":{},"toolConfig":{}}', '{"toolUse":{},"toolUse":{}}', '{"toolResult":{"toolUseId":"a","toolUseId":"b"}}', '{"additionalModelRequestFields":{},"additionalModelRequestFields":{}}'],
  };
  for (const body of Object.values(bodies).flat()) assert.equal(scanBody(encode(body)).kind, "duplicate", body);
});

test("what a tool was called with may use any of the keys, in any number of objects", () => {
  const use = { type: "tool_use", input: { name: "a", type: "b", input: { name: "c", source: "d" }, parts: [{ k: 1, p: 2 }, { k: 1, p: 2 }] } };
  const body = encode(JSON.stringify({ messages: [{ role: "assistant", content: [use, use] }, { role: "user", content: [use] }] }));
  for (let again = 0; again < 3; again++) assert.equal(scanBody(body).kind, "object");
});

test("a body is read within its own depth, also after a deeper or an unfinished one", () => {
  const deep = encode(`${'{"model":'.repeat(300)}1${"}".repeat(300)}`);
  assert.equal(scanBody(deep, 400).kind, "object");
  assert.equal(scanBody(deep).kind, "too_deep");
  assert.equal(scanBody(encode('{"model":{"model":')).kind, "unterminated");
  assert.equal(scanBody(encode('{"model":{"model":1}}')).kind, "object");
});

test("depth is bounded, and what is no object says so", () => {
  assert.equal(scanBody(encode(`{"a":${"[".repeat(200)}${"]".repeat(200)}}`)).kind, "too_deep");
  assert.equal(scanBody(encode("[1]")).kind, "not_an_object");
  assert.equal(scanBody(encode("")).kind, "not_an_object");
  assert.equal(scanBody(encode('{"a":"')).kind, "unterminated");
});

test("a body of more objects than any conversation has is told from a large one", () => {
  const body = (count: number): Uint8Array => encode(`{"messages":[${Array.from({ length: count }, () => "{}").join(",")}]}`);
  assert.equal(scanBody(body(CONTAINERS_MAX - 2)).kind, "object");
  assert.equal(scanBody(body(CONTAINERS_MAX - 1)).kind, "too_many");
});

test("for any JSON object the scan finds the members that JSON.parse finds", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.constantFrom(undefined, 1, "\t"), (value, indent) => {
      const text = JSON.stringify(value, null, indent);
      const found = members(text).map(([key, raw]) => [key, JSON.parse(raw)]);
      assert.deepEqual(found, Object.entries(JSON.parse(text) as object));
    }),
  );
});

test("splicing changes the given ranges and nothing else; removal takes one comma along", () => {
  const text = '{ "a":1 , "model":"x", "z":[ 1 ] }';
  const bytes = encode(text);
  const scan = scanBody(bytes) as Extract<BodyScan, { kind: "object" }>;
  const model = scan.members[1];
  assert.ok(model);
  assert.equal(decode(splice(bytes, [{ start: model.valueStart, end: model.valueEnd, text: '"yy"' }])), '{ "a":1 , "model":"yy", "z":[ 1 ] }');
  assert.deepEqual(JSON.parse(decode(splice(bytes, [removalOf(scan, 0)]))), { model: "x", z: [1] });
  assert.deepEqual(JSON.parse(decode(splice(bytes, [removalOf(scan, 1)]))), { a: 1, z: [1] });
  assert.deepEqual(JSON.parse(decode(splice(bytes, [removalOf(scan, 2)]))), { a: 1, model: "x" });
  const one = encode('{"a":1}');
  assert.equal(decode(splice(one, [removalOf(scanBody(one) as Extract<BodyScan, { kind: "object" }>, 0)])), "{}");
});

const scanText = (text: string): number => scanChunk(encode(text), 0, encode(text).length);

test("a plain content chunk has no flags and its text is measured", () => {
  assert.equal(scanText('{"choices":[{"delta":{"content":"h\\"i\\u00e9"},"finish_reason":null}],"usage":null,"error":null}'), 0);
  assert.equal(chunkTextBytes, 'h\\"i\\u00e9'.length);
});

test("finish, usage, error and damage are seen; text that looks like them is not", () => {
  assert.equal(scanText('{"choices":[{"delta":{},"finish_reason":"stop"}]}'), CHUNK_FINISH);
  assert.equal(scanText('{"choices":[],"usage": {"a":1}}'), CHUNK_USAGE);
  assert.equal(scanText('{"error":{"message":"x"}}'), CHUNK_ERROR);
  assert.equal(scanText(JSON.stringify({ choices: [{ delta: { content: '"finish_reason":"stop","usage":{}' } }] })), 0);
  for (const broken of ['{"a":', '{"a":1', '{"a":oops}', '{"a":"x}', "[DONE]", "", '{"a":1}}', '{"a":1} x']) {
    assert.equal(scanText(broken), CHUNK_MALFORMED, broken);
  }
});

test("every valid chunk passes and every truncated one is malformed", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string({ unit: "grapheme" }), fc.jsonValue()), fc.nat(), (value, seed) => {
      const bytes = encode(JSON.stringify(value));
      assert.equal(scanChunk(bytes, 0, bytes.length) & CHUNK_MALFORMED, 0);
      const cut = seed % bytes.length;
      assert.equal(scanChunk(bytes, 0, cut), CHUNK_MALFORMED);
    }),
  );
});

test("one edit changes its range and nothing else, whether its text is shorter, as long or longer, and whatever characters it has", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(60), fc.nat(60), fc.string({ unit: fc.constantFrom("a", '"', "~", "\n", "é", "😀"), maxLength: 12 }), fc.boolean(), (plain, from, to, text, asBuffer) => {
      const bytes = asBuffer ? Buffer.from(plain) : plain;
      const [start, end] = [Math.min(from, to, bytes.length), Math.min(Math.max(from, to), bytes.length)];
      const expected = [...plain.slice(0, start), ...encode(text), ...plain.slice(end)];
      assert.deepEqual([...splice(bytes, [{ start, end, text }])], expected);
      assert.deepEqual([...bytes], [...plain]);
    }),
  );
});
