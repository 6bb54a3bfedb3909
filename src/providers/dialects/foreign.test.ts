/** What every encoder promises for requests of every other dialect's clients. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { ChatRequest } from "../../wire/chat.ts";
import type { DialectId } from "../../wire/facts.ts";
import { asArray, asNumber, asString, isObject, member, type Json } from "../../wire/json.ts";
import type { EncodedRequest, Target } from "./dialect.ts";
import { dialectById } from "./index.ts";
import { descriptionAbsent, problems } from "./openai/test-schemas.ts";
import { anyTarget, DIALECTS, MARKED, requestOf } from "./test-foreign.ts";

const PAIRS = DIALECTS.flatMap((surface) => DIALECTS.filter((dialect) => dialect !== surface).map((dialect) => [surface, dialect] as const));

/** What each dialect takes as the name of a tool. */
const TOOL_NAME: Readonly<Record<DialectId, RegExp>> = {
  "openai-chat": /^[a-zA-Z0-9_-]{1,64}$/,
  "openai-responses": /^[a-zA-Z0-9_-]{1,64}$/,
  "anthropic-messages": /^[a-zA-Z0-9_-]{1,128}$/,
  gemini: /^[A-Za-z_][A-Za-z0-9_.:-]{0,63}$/,
  "bedrock-converse": /^[a-zA-Z0-9_-]{1,64}$/,
  "cohere-v2": /^[a-zA-Z_][a-zA-Z0-9_]{0,63}$/,
};

/** Run `check` on what is encoded of any request of a pair; refusals must say what they refuse. */
function forAll(surface: DialectId, dialect: DialectId, check: (made: EncodedRequest, request: ChatRequest, target: Target) => void): void {
  let encoded = 0;
  fc.assert(
    fc.property(requestOf(surface), anyTarget(dialect), (request, target) => {
      const made = dialectById(dialect).encodeChat(request, target);
      if (made.kind === "unsupported") {
        assert.ok(made.param !== "" && made.message !== "");
        return;
      }
      encoded++;
      check(made, request, target);
    }),
    { numRuns: 150 },
  );
  assert.ok(encoded > 0, "something was encoded");
}

/** Every value under `key`, at any depth outside of what the client's tools hold. */
function valuesOf(value: Json | undefined, key: string): readonly Json[] {
  if (Array.isArray(value)) return (value as readonly Json[]).flatMap((one) => valuesOf(one, key));
  if (!isObject(value)) return [];
  return Object.entries(value).flatMap(([name, inner]) => [...(name === key && inner !== undefined ? [inner] : []), ...valuesOf(inner, key)]);
}

function toolNamesIn(body: Json): readonly string[] {
  const tools = [...asArray(member(body, "tools")), ...asArray(member(member(body, "toolConfig"), "tools"))];
  const declared = tools.flatMap((tool) => [tool, member(tool, "function"), member(tool, "toolSpec"), ...asArray(member(tool, "functionDeclarations"))]);
  return declared.flatMap((one) => asString(member(one, "name")) ?? []).filter((name) => name !== "no_tool_available");
}

for (const [surface, dialect] of PAIRS) {
  describe(`${surface} to ${dialect}`, () => {
    test("any request is encoded or refused by name, and never throws", () => {
      forAll(surface, dialect, ({ body, warnings }) => {
        assert.ok(isObject(JSON.parse(JSON.stringify(body))));
        for (const warning of warnings) assert.doesNotMatch(warning, /[\r\n]/);
      });
    });

    test("case 20: tools go under names that the target takes, and every changed name maps back", () => {
      forAll(surface, dialect, ({ body, renames }, request) => {
        const known = new Set(request.tools.flatMap((tool) => (tool.kind === "function" ? [tool.name] : [])));
        for (const name of toolNamesIn(body)) {
          assert.match(name, TOOL_NAME[dialect]);
          const client = renames !== undefined && Object.hasOwn(renames, name) ? renames[name] : name;
          assert.ok(client !== undefined && known.has(client), name);
        }
      });
    });

    test("case 29: opaque state that another maker is known to have made never leaves", () => {
      forAll(surface, dialect, ({ body }) => {
        const text = JSON.stringify(body);
        assert.ok(!text.includes("SECRET"));
        for (const marked of MARKED) assert.ok(!text.includes(JSON.stringify(marked).slice(1, -1)));
      });
    });

    test("no more output is asked for than the model is known to give", () => {
      forAll(surface, dialect, ({ body, warnings }, { maxOutputTokens: asked }, target) => {
        const most = target.model?.maxOutput ?? null;
        if (asked === undefined || most === null || asked <= most) return;
        const sent = ["max_completion_tokens", "max_output_tokens", "max_tokens", "maxOutputTokens", "maxTokens"].flatMap((key) => valuesOf(body, key).flatMap((value) => asNumber(value) ?? []));
        assert.deepEqual([...new Set(sent)], [most]);
        assert.ok(warnings.some((warning) => warning.includes(`${asked}`) && warning.includes(`${most}`)));
      });
    });
  });
}

describe("what is authored for chat hosts", { skip: descriptionAbsent }, () => {
  for (const surface of DIALECTS.filter((one) => one !== "openai-chat")) {
    test(`is valid by the maker's description, whatever a client of ${surface} asks`, () => {
      forAll(surface, "openai-chat", ({ body }) => assert.deepEqual(problems("CreateChatCompletionRequest", body), []));
    });
  }
});
