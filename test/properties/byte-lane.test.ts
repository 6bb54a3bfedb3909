/** For any JSON body in any spelling: the byte lane changes exactly what is listed, and not one byte more. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import fc from "fast-check";
import { readBody } from "../../src/pipeline/inbound.ts";
import { parseChatRequest } from "../../src/providers/dialects/chat-surface.ts";
import { needsRewrite, passThroughEdits } from "../../src/providers/dialects/pass-through.ts";
import { PROVIDERS } from "../../src/providers/registry.ts";
import type { ProviderFacts } from "../../src/wire/facts.ts";
import { splice } from "../../src/wire/scan.ts";
import { testGateway, type TestGateway } from "../support/gateway.ts";
import { rawPost } from "../support/raw-client.ts";
import { chat, recordingUpstream, type RecordingUpstream } from "../support/recording-upstream.ts";

const provider = PROVIDERS.get("openai-compatible") as ProviderFacts;
const space = fc.stringMatching(/^[ \t\r\n]{0,3}$/);
/** Spellings of one string in JSON: plain, with escapes that need not be, raw characters beyond ASCII. */
const spelled = (text: string): fc.Arbitrary<string> =>
  fc.array(fc.boolean(), { minLength: text.length, maxLength: text.length }).map((escape) => {
    // Halves of a pair are escaped both or not at all.
    const units = /[\ud800-\udfff]/.test(text) ? [] : text.split("");
    const plain = (part: string): string => JSON.stringify(part).slice(1, -1);
    return units.length === 0 ? `"${plain(text)}"` : `"${units.map((unit, i) => (escape[i] === true ? `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}` : plain(unit))).join("")}"`;
  });
const stringText = fc.oneof(fc.string({ maxLength: 12 }), fc.string({ unit: "grapheme", maxLength: 6 }), fc.constantFrom("}", "{\"model\":\"x\"}", "\\", "model", "é", "\u2028", "😀")).chain(spelled);
const numberText = fc.constantFrom("0", "-0", "1", "-0.0", "1e400", "1E+2", "12345678901234567890123", "0.10", "1.0000000000000000000001", "5e-324");
/** Text of any JSON value, spelled in any way. Keys carry a prefix, so that none of them is one that is read. */
const { value: valueText } = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constantFrom("null", "true", "false"),
    numberText,
    stringText,
    fc.tuple(space, fc.array(fc.tuple(space, tie("value"), space).map((parts) => parts.join("")), { maxLength: 3 })).map(([pad, items]) => `[${items.length === 0 ? pad : items.join(",")}]`),
    fc.tuple(space, fc.uniqueArray(fc.tuple(fc.string({ maxLength: 5 }), space, space, tie("value"), space), { maxLength: 3, selector: ([key]) => key })).map(([pad, members]) => `{${members.length === 0 ? pad : members.map(([key, a, b, value, c]) => `${a}${JSON.stringify(`x_${key}`)}${b}:${value}${c}`).join(",")}}`),
  ),
}));

interface Member {
  readonly key: string;
  /** With the space around it. */
  readonly before: string;
  readonly middle: string;
  readonly value: string;
  readonly after: string;
}
const member = (key: fc.Arbitrary<string>, value: fc.Arbitrary<string>): fc.Arbitrary<Member> =>
  key.chain((name) => fc.record({ key: fc.constant(name), before: fc.tuple(space, spelled(name)).map((parts) => parts.join("")), middle: fc.tuple(space, space).map(([a, b]) => `${a}:${b}`), value, after: space }));

const MESSAGES = [`[{"role":"user","content":"hi"}]`, `[ { "content" : [ {"type":"text","text":"\\u00e9","x":1e400} ] , "role":"user","x":{"model":"y"} } ]`];
const streaming = fc.constantFrom("absent", "true", "false");
const options = fc.constantFrom("absent", "{}", "{ }", "null", `{"include_usage":true}`, `{ "include_usage" : false , "x":1e400}`, `{"x":[1.0,{"include_usage":false}]}`);

/** A body: its text, and the text that may leave. */
const bodies = fc
  .record({
    model: member(fc.constant("model"), spelled("r")),
    messages: member(fc.constant("messages"), fc.constantFrom(...MESSAGES)),
    others: fc.uniqueArray(member(fc.string({ minLength: 1, maxLength: 6 }).map((name) => `x_${name}`), valueText), { maxLength: 5, selector: (one) => one.key }),
    spillway: fc.option(member(fc.constant("spillway"), valueText)),
    stream: streaming.chain((stream) => (stream === "absent" ? fc.constant(null) : member(fc.constant("stream"), fc.constant(stream)))),
    options: options.chain((text) => (text === "absent" ? fc.constant(null) : member(fc.constant("stream_options"), fc.constant(text)))),
    seed: fc.integer(),
    edges: fc.tuple(space, space, space),
  })
  .map(({ model, messages, others, spillway, stream, options: asked, seed, edges }) => {
    const members = shuffled([model, messages, ...others, ...[spillway, stream, asked].filter((one) => one !== null)], seed);
    const isStream = stream?.value === "true";
    return { text: written(members, edges), members, edges, expected: expected(members, isStream, asked !== null) };
  });

function written(members: readonly Member[], [lead, , trail]: readonly string[]): string {
  return `${lead}{${members.map((one) => one.before + one.middle + one.value + one.after).join(",")}}${trail}`;
}

/** What must be left of each member, in order; the rest of the text may only lose what stood around a removed one. */
function expected(members: readonly Member[], isStream: boolean, hasOptions: boolean): readonly Member[] {
  const kept = members.filter((one) => one.key !== "spillway").map((one) => {
    if (one.key === "model") return { ...one, value: `"m-upstream"` };
    if (one.key !== "stream_options" || !isStream || one.value.includes(`"include_usage":true`)) return one;
    const value = one.value === "null" || one.value === "{}" ? `{"include_usage":true}`
      : one.value === "{ }" ? `{ "include_usage":true}`
      : one.value.startsWith(`{ "include_usage" : false`) ? one.value.replace("false", "true")
      : `${one.value.slice(0, -1)},"include_usage":true}`;
    return { ...one, value };
  });
  return isStream && !hasOptions ? [...kept, { key: "stream_options", before: `"stream_options"`, middle: ":", value: `{"include_usage":true}`, after: "" }] : kept;
}

function shuffled<T>(items: readonly T[], seed: number): T[] {
  const out = [...items];
  let state = seed | 1;
  for (let i = out.length - 1; i > 0; i--) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) | 0;
    const j = Math.abs(state) % (i + 1);
    [out[i], out[j]] = [out[j] as T, out[i] as T];
  }
  return out;
}

/** Where nothing was taken out the text must be equal; where our own member was, all but the blanks and the comma beside it. */
function checkBytes(received: string, body: { readonly text: string; readonly members: readonly Member[]; readonly edges: readonly string[]; readonly expected: readonly Member[] }): void {
  if (body.members.every((one) => one.key !== "spillway")) {
    assert.equal(received, written(body.expected, body.edges));
    return;
  }
  let at = 0;
  for (const one of body.expected) {
    const piece = one.before.trimStart() + one.middle + one.value;
    const found = received.indexOf(piece, at);
    assert.ok(found >= 0, `${piece} is not in ${received}`);
    assert.match(received.slice(at, found), at === 0 ? /^\s*\{\s*$/ : /^\s*,\s*$/);
    at = found + piece.length;
  }
  assert.match(received.slice(at), /^\s*\}\s*$/);
}

function leaving(text: string): string {
  const bytes = Buffer.from(text);
  const body = readBody(bytes);
  assert.ok(body.kind === "body", JSON.stringify(body));
  const parsed = parseChatRequest(body.raw);
  assert.ok(parsed.kind === "request", JSON.stringify(parsed));
  const passing = { bytes, scan: body.scan, raw: body.raw, request: parsed.request };
  assert.equal(needsRewrite(passing, provider), false);
  return Buffer.from(splice(bytes, passThroughEdits(passing, provider, "m-upstream").edits)).toString();
}

test("any body in any spelling leaves as it came but for the listed changes", () => {
  fc.assert(fc.property(bodies, (body) => checkBytes(leaving(body.text), body)), { numRuns: 1_500 });
});

const READ = ["model", "messages", "stream", "stream_options", "include_usage", "max_tokens", "n", "tools", "service_tier", "spillway", "models", "plugins", "audio", "search_parameters", "enable_search", "route", "prediction", "role", "content"];
test("a key that is read and occurs twice at its level is refused, however it is spelled and however deep it lies", () => {
  const twice = fc.record({ key: fc.constantFrom(...READ), depth: fc.integer({ min: 0, max: 4 }), between: fc.array(valueText, { maxLength: 3 }) }).chain(({ key, depth, between }) =>
    fc.record({ first: spelled(key), second: spelled(key), value: valueText, other: valueText }).map(({ first, second, value, other }) => {
      const middle = between.map((text, i) => `"y_${i}":${text},`).join("");
      const object = `{${first}:${value},${middle}${second} : ${other}}`;
      return { key, text: depth === 0 ? object : `{"x":${`[{"y":`.repeat(depth)}${object}${"}]".repeat(depth)}}` };
    }),
  );
  fc.assert(
    fc.property(twice, ({ key, text }) => {
      const read = readBody(Buffer.from(text));
      assert.ok(read.kind === "error" && read.error.code === "duplicate_field", `${text} → ${JSON.stringify(read)}`);
      assert.equal(read.error.param, key);
    }),
    { numRuns: 500 },
  );
});

test("what is no JSON object is refused and never throws", () => {
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 60 }), fc.tuple(bodies, fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true })).map(([body, share]) => Buffer.from(body.text).subarray(0, Math.floor(body.text.trimEnd().length * share)))), (bytes) => {
      const read = readBody(bytes);
      let parsed: unknown;
      try {
        parsed = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
      } catch {
        // Neither is it to the standard parser.
        parsed = undefined;
      }
      if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) assert.equal(read.kind, "error");
    }),
    { numRuns: 500 },
  );
});

describe("over sockets", () => {
  let upstream: RecordingUpstream;
  let gateway: TestGateway;
  before(async () => {
    upstream = await recordingUpstream(chat);
    gateway = await testGateway(`version: 1\nproviders:\n  near: { type: openai-compatible, base_url: "${upstream.origin}/v1", api_key: none }\nroutes:\n  r: { candidates: [near/m-upstream] }\n`);
  });
  after(async () => {
    await gateway.close();
    await upstream.close();
  });

  test("any body arrives upstream as it was sent but for the listed changes", async () => {
    await fc.assert(
      fc.asyncProperty(bodies, async (body) => {
        const answer = await rawPost(gateway.port, "/v1/chat/completions", body.text);
        assert.equal(answer.status, 200, answer.body.toString());
        checkBytes(upstream.calls.at(-1)?.body.toString() ?? "", body);
      }),
      { numRuns: 150 },
    );
  });
});
