/** Tokens of the admin API: what is none is told in the same words and the same time, however near it comes to one. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, it } from "node:test";
import { authorityApi } from "../../src/admin/authority.ts";
import { Identities, rotateAdminToken } from "../../src/admin/identity.ts";
import { newTokenText } from "../../src/control/seal.ts";
import { MemoryControlStore } from "../../src/storage/control-memory.ts";
import type { JsonObject } from "../../src/wire/json.ts";
import { memoryApi } from "../admin/memory-api.ts";
import { sources } from "../tidy/source.ts";

/** The same for the same seed. */
function random(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
}

/** Like a token but for its last letters. */
function near(token: string, i: number): string {
  const cut = token.length - 1 - (i % 8);
  return token.slice(0, cut) + randomBytes(32).toString("base64url").slice(0, token.length - cut).replace(token.slice(cut), "-".repeat(token.length - cut));
}

/** Welch's t of near misses against strangers, without the slowest twentieth, which is the machine's. */
function measured(token: string, look: (text: string) => unknown, seed: number): number {
  const next = random(seed);
  const sorts = Array.from({ length: 100_000 }, () => next() < 0.5);
  // Each text as a socket brings it: joined ones are read slower.
  const texts = sorts.map((isNear, i) => Buffer.from(`Bearer ${isNear ? near(token, i) : newTokenText()}`).toString());
  const times: readonly [number[], number[]] = [[], []];
  texts.forEach((text, i) => {
    const start = process.hrtime.bigint();
    look(text);
    times[sorts[i] === true ? 0 : 1].push(Number(process.hrtime.bigint() - start));
  });
  const [a, b] = times.map((all) => all.toSorted((x, y) => x - y).slice(0, Math.floor(all.length * 0.95))) as unknown as readonly [number[], number[]];
  const mean = (list: readonly number[]): number => list.reduce((sum, one) => sum + one, 0) / list.length;
  const spread = (list: readonly number[], m: number): number => list.reduce((sum, one) => sum + (one - m) ** 2, 0) / (list.length - 1) / list.length;
  const [ma, mb] = [mean(a), mean(b)];
  return Math.abs(ma - mb) / Math.sqrt(spread(a, ma) + spread(b, mb));
}

describe("tokens", () => {
  it("are not told by the time that refusing takes: |t| < 4.5 over 100,000 look-ups, near misses against strangers", () => {
    const store = new MemoryControlStore({ shown: () => ({}) });
    const administrator = rotateAdminToken(store, { id: "x", tenant: "default", role: "owner" });
    const { managed, tokens } = memoryApi();
    const cases: readonly (readonly [name: string, token: string, identities: Identities])[] = [
      ["the administrator's", administrator, new Identities(store, () => undefined)],
      ["a member's", tokens.owner ?? "", new Identities(managed.store, () => undefined)],
    ];
    for (const [name, token, identities] of cases) {
      const look = (text: string): void => {
        if (identities.find(text) !== null) assert.fail("a near miss is somebody");
      };
      assert.notEqual(identities.find(`Bearer ${token}`), null, name);
      for (let i = 0; i < 20_000; i++) look(`Bearer ${near(token, i)}`);
      // Another load on the machine may bend one run, not four; a token that is told bends them all.
      const found: number[] = [];
      for (let seed = 7; seed < 11 && (found.length === 0 || Math.min(...found) >= 4.5); seed++) found.push(measured(token, look, seed));
      assert.ok(Math.min(...found) < 4.5, `${name}: t = ${found.map((t) => t.toFixed(2)).join(", ")}`);
    }
  });

  it("that are near, ended, another's or of another sort get one answer on every route, told apart for nobody", async () => {
    const world = memoryApi();
    const owner = world.tokens.owner ?? "";
    const once = async (path: string): Promise<string> => Object.values((await world.ask(owner, "POST", path, {})).json["once"] as Readonly<Record<string, string>>)[0] ?? "";
    const ended = await once("/members/viewer/token");
    await world.ask(owner, "POST", "/members/viewer/revoke-tokens", {});
    const gone = await once("/members/billing/token");
    await world.ask(owner, "DELETE", "/members/billing");
    const oldKey = await once("/keys/caller/rotate");
    const newKey = await once("/keys/caller/rotate");
    await world.ask(owner, "POST", "/keys/caller/disable", {});
    const tokens: readonly string[] = [ended, gone, oldKey, newKey, near(owner, 0), near(owner, 7), owner.slice(0, -1), `${owner}A`, owner.toUpperCase(), owner.slice(4), newTokenText(), "x"];
    for (const name of world.api.served.filter((one) => !/openapi|docs/.test(one))) {
      const [method = "", path = ""] = name.replace("/admin/v1", "").split(" ");
      const told = new Set<string>();
      for (const token of tokens) {
        const { status, text } = await world.ask(token, method, path.replace(":id", "caller"), method === "GET" || method === "DELETE" ? undefined : {});
        told.add(`${status} ${text}`);
      }
      assert.deepEqual([...told].map((one) => one.slice(0, 3)), ["401"], name);
      // None at all is no guess: it is told that one is needed.
      assert.equal((await world.ask(null, method, path.replace(":id", "caller"), method === "GET" || method === "DELETE" ? undefined : {})).status, 401, name);
    }
  });

  it("of joined processes are compared by their digests, and what is none gets one answer", async () => {
    const token = "t".repeat(20) + randomBytes(20).toString("hex");
    const ask = authorityApi({ token, answer: () => [], store: new MemoryControlStore({ shown: () => ({}) }), budgets: () => [], boot: "b" });
    const told = async (authorization: string | null, path = "state"): Promise<string> => {
      const response = await ask(new Request(`http://localhost/admin/v1/authority/${path}`, { headers: authorization === null ? {} : { authorization } }));
      return `${response.status} ${await response.text()}`;
    };
    assert.match(await told(`Bearer ${token}`), /^200 /);
    const answers = new Set<string>();
    for (const shown of [null, "", "Bearer", "Bearer ", `Bearer ${token}x`, `Bearer ${token.slice(0, -1)}`, `Bearer ${near(token, 0)}`, `bearer ${token}`, `Basic ${token}`, token, `Bearer ${token} ${token}`, "Bearer undefined"]) {
      for (const path of ["state", "reports", "nothing", ""]) answers.add(await told(shown, path));
    }
    assert.deepEqual([...answers].map((one) => one.slice(0, 3)), ["401"]);
  });

  it("and other secrets are compared nowhere but in constant time, or by a look-up of their hash", () => {
    for (const file of ["src/admin/identity.ts", "src/admin/authority.ts", "src/notify/sign.ts"]) {
      const [source] = sources(file);
      assert.ok(source !== undefined && /timingSafeEqual\(/.test(source.bare), file);
      assert.ok(!/(?:token|shown|hash|sha256|expected|secret)\b[^=!<>;\n]{0,20}[=!]==?\s*(?!""|null|undefined|"")(?:token|kept|shown|hash|sha256|expected|secret)/i.test(source.code), file);
    }
    const kept: JsonObject = memoryApi().managed.store.get("member", "owner")?.body ?? {};
    assert.match(JSON.stringify(kept["tokens"]), /^\[\{"hash":"[\w-]{43}","prefix":"spa_[\w-]{4}","made_ms":\d+\}\]$/, "what is kept of a token is its hash");
  });
});
