import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { parseConfig } from "../config/load.ts";
import { createObject } from "../control/manage.ts";
import { PROVIDERS } from "../providers/registry.ts";
import { LOCAL_ACTOR, managedBy, openControl } from "./control.ts";

const folder = mkdtempSync(join(tmpdir(), "spillway-scopes-"));
const control = openControl(folder);
after(() => {
  control.close();
  rmSync(folder, { recursive: true });
});

/** What is wrong with a budget of this scope. */
function problems(scope: string, more = ""): readonly string[] {
  const text = `version: 1\nproviders:\n  openai: { api_key: sk-x }\n${more}aliases: { fast: gpt-4o-mini }\nroutes:\n  support: { candidates: [openai/gpt-4o] }\n`;
  const parsed = parseConfig(text, { source: "test", env: {}, providers: PROVIDERS, readFile: () => "" });
  assert.ok(parsed.ok, JSON.stringify(parsed));
  const made = createObject(managedBy(control, () => parsed.config), { kind: "budget", tenant: "default", actor: LOCAL_ACTOR }, null, { scope, period: "day", limit_usd: 1 });
  return made.kind === "done" ? [] : made.problems.map(({ field, message }) => `${field}: ${message}`);
}

describe("a managed budget", () => {
  for (const scope of ["route/support", "route/gpt-4o-mini", "route/fast", "model/gpt-4o-mini", "model/claude-sonnet-4-5", "provider/openai"]) {
    it(`may be on ${scope}`, () => assert.deepEqual(problems(scope), []));
  }
  for (const [word, scope] of [["route", "route/nosuch"], ["model", "model/nosuch"], ["provider", "provider/nosuch"]]) {
    it(`is refused on ${scope}`, () => assert.deepEqual(problems(scope as string), [`scope: there is no ${word} nosuch`]));
  }
  it("may be on any model where an account passes on any name", () => {
    assert.deepEqual(problems("model/nosuch", "  box: { type: vllm, base_url: 'http://127.0.0.1:9/v1' }\n"), []);
  });
});
