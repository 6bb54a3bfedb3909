import assert from "node:assert/strict";
import { test } from "node:test";
import { unboundedFields } from "./unbounded.ts";

test("fields that the bound does not cover are named as paths, once, in the body's spelling", () => {
  const body = {
    contents: [{ parts: [{ text: "a" }, { fileData: { fileUri: "gs://a/b" } }] }],
    tools: [{ functionDeclarations: [] }, { google_search: {} }, { googleSearch: {} }, { googleSearch: {} }, { codeExecution: {} }],
    generationConfig: { responseModalities: ["TEXT", "IMAGE"], candidateCount: 2 }, cachedContent: "cachedContents/x", serviceTier: "priority",
  };
  assert.deepEqual([...unboundedFields(body)].sort(), [
    "cachedContent", "contents[].parts[].fileData", "generationConfig.responseModalities", "serviceTier", "tools[].codeExecution", "tools[].googleSearch", "tools[].google_search",
  ]);
});

test("an ordinary body, or one of other shapes, names none", () => {
  assert.deepEqual(unboundedFields({ contents: [{ parts: [{ text: "a" }] }], tools: [{ functionDeclarations: [{ name: "f" }] }], cachedContent: null }), []);
  assert.deepEqual(unboundedFields({ contents: "x", tools: 5, generationConfig: [1] }), []);
});
