import assert from "node:assert/strict";
import { test } from "node:test";
import { versionIn } from "./generation.ts";

test("the version is read off every form of a model's name, and a date is no version", () => {
  const names: Readonly<Record<string, number>> = {
    "claude-opus-4-6": 406, "claude-opus-4-5-20251101": 405, "claude-opus-4-20250514": 400, "claude-sonnet-4-0": 400,
    "claude-3-5-sonnet-20241022": 305, "claude-3-opus-20240229": 300, "claude-3-7-sonnet-latest": 307, "claude-opus-5": 500,
    "claude-fable-5-1": 501, "anthropic.claude-opus-4-7-v1:0": 407, "claude-haiku-4.5": 405, "claude-2.1": 201, "kimi-k2": 0, "my-model": 0,
  };
  for (const [name, version] of Object.entries(names)) assert.equal(versionIn(name), version, name);
});
