/**
 * What has happened to others with keys: SQL through the bearer token before anybody was known, a cache by the first
 * characters of a token, and keys told by the time that refusing takes.
 */
import assert from "node:assert/strict";
import { hash, randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { CallerBook } from "../../src/control/callers.ts";
import { KINDS } from "../../src/control/kinds/index.ts";
import { createObject, type Managed } from "../../src/control/manage.ts";
import { authenticate, callerBy, type AuthSettings } from "../../src/edge/auth.ts";
import { SqliteControlStore } from "../../src/storage/control.ts";

const ACTOR = { id: "ada", tenant: "default", role: "owner" } as const;
let folder = "";
let path = "";
let store: SqliteControlStore;
let settings: AuthSettings;
let good = "";

before(() => {
  folder = mkdtempSync(join(tmpdir(), "spillway-keys-"));
  path = join(folder, "control.db");
  store = new SqliteControlStore(path);
  const managed: Managed = { store, kinds: KINDS, nowMs: Date.now };
  const made = createObject(managed, { kind: "key", tenant: "default", actor: ACTOR }, "app", {});
  good = made.kind === "done" && typeof made.once?.["key"] === "string" ? made.once["key"] : "";
  for (let i = 0; i < 99; i++) createObject(managed, { kind: "key", tenant: "default", actor: ACTOR }, `k${i}`, {});
  settings = { keys: new Map(), book: new CallerBook(store), corsOrigins: [] };
});
after(() => {
  store.close();
  rmSync(folder, { recursive: true, force: true });
});

/** What is told to a request with this in Authorization. */
function asked(authorization: string): string {
  const request = new IncomingMessage(new Socket());
  request.headers = { host: "gateway.example", authorization };
  request.rawHeaders = ["host", "gateway.example", "Authorization", authorization];
  const found = authenticate(request, "", settings);
  return found.kind === "caller" ? found.caller.key : `${found.error.code}: ${found.error.message}`;
}

const PIECES = [
  "' OR '1'='1", "' OR 1=1 --", "'; DROP TABLE objects; --", "\" OR \"\"=\"", "') UNION SELECT body FROM objects --", "admin'--", "' AND 1=randomblob(100000000)--", "%", "_", "*",
  "1; ATTACH DATABASE 'x' AS y; --", "' || (SELECT body FROM objects) || '", "\\' OR 1=1", "' HAVING 1=1 --", "' GROUP BY id --", "';VACUUM INTO '/dev/null';--", "CHAR(39)", "0x27", "%27", "\u02bc OR 1=1", "{\"$gt\":\"\"}", "null", "NULL", "undefined", "__proto__", "constructor", "' ORDER BY 99 --", "$1", "?1", ":id", "@x", "spw_default_", "spw_%_%", "/**/", "--", "#", ";", "'", "\"", "`",
];

/** The same for the same seed. */
function random(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
}

describe("keys", () => {
  it("cannot be made out of SQL: of 100,000 bearers made of it none is anybody, and the file is as it was", () => {
    const next = random(20_260_424);
    const pick = (): string => PIECES[Math.floor(next() * PIECES.length)] ?? "";
    const bytes = readFileSync(path);
    assert.equal(asked(`Bearer ${good}`), "app");
    for (let i = 0; i < 100_000; i++) {
      const made = [pick(), next() < 0.3 ? good.slice(0, Math.floor(next() * good.length)) : "", pick(), next() < 0.5 ? String(Math.floor(next() * 1e9)) : "", pick()];
      const token = made.join(next() < 0.5 ? " " : "");
      const told = asked(`${next() < 0.8 ? "Bearer " : ""}${token}`);
      if (!told.startsWith("invalid_key: ") && !told.startsWith("missing_key: ")) assert.fail(`${token} is ${told}`);
    }
    assert.deepEqual(readFileSync(path), bytes);
    assert.equal([...store.all("key")].length, 100);
  });

  it("never share an identity by what they begin or end with", () => {
    const next = random(35_030);
    const tail = good.slice(good.lastIndexOf("_") + 1);
    assert.equal(callerBy(hash("sha256", good, "base64url"), settings)?.key, "app");
    for (let i = 0; i < 50_000; i++) {
      const keep = Math.floor(next() * good.length);
      const fresh = randomBytes(48).toString("base64url");
      const other = i % 3 === 0 ? good.slice(0, keep) + fresh.slice(0, good.length - keep) : i % 3 === 1 ? fresh.slice(0, keep) + good.slice(keep) : good + fresh.slice(0, 1 + (keep % 20));
      if (other === good) continue;
      if (callerBy(hash("sha256", other, "base64url"), settings) !== undefined) assert.fail(`${other} is somebody`);
    }
    for (const near of [good.slice(0, 20), good.slice(0, -1), `${good}=`, `${good} `.trim() + "\0", good.toUpperCase(), tail, hash("sha256", good, "base64url"), hash("sha256", good, "hex")]) assert.match(asked(`Bearer ${near}`), /^invalid_key/);
  });

  it("that have expired, are disabled or are unknown are refused in the same words", () => {
    const until = Date.now() - 1;
    const expired: AuthSettings = { ...settings, book: { size: 1, get: () => ({ caller: { tenant: "default", key: "app", scopes: [] }, untilMs: until }) } };
    const request = new IncomingMessage(new Socket());
    request.headers = { authorization: "Bearer x" };
    request.rawHeaders = ["authorization", "Bearer x"];
    assert.deepEqual(authenticate(request, "", expired), authenticate(request, "", settings));
  });

  it("are not told by the time that refusing takes: |t| < 4.5 over 100,000 look-ups, near misses against strangers", () => {
    // Welch's t, without the slowest twentieth, which is the machine's. Every text is looked up once, in one list of both
    // sorts: which chain of the table a text falls into, and where it lies in memory, is chance and says nothing.
    const next = random(7);
    const made = (i: number, isNear: boolean): string => {
      const strange = randomBytes(32).toString("base64url");
      const cut = good.length - 1 - (i % 8);
      return isNear ? good.slice(0, cut) + strange.slice(cut - good.length) : `spw_default_${strange}`;
    };
    const look = (key: string): number => {
      const start = process.hrtime.bigint();
      callerBy(hash("sha256", key, "base64url"), settings);
      return Number(process.hrtime.bigint() - start);
    };
    const measure = (): number => {
      const sorts = Array.from({ length: 100_000 }, () => next() < 0.5);
      // Each text as a socket brings it: joined ones are read slower.
      const texts = sorts.map((isNear, i) => Buffer.from(made(i, isNear)).toString());
      const times: readonly [number[], number[]] = [[], []];
      texts.forEach((text, i) => times[sorts[i] === true ? 0 : 1].push(look(text)));
      return Math.abs(welch(trimmed(times[0]), trimmed(times[1])));
    };
    measure();
    // Another load on the machine may bend one run, not three; a key that is told bends them all.
    const found = [measure(), measure(), measure()];
    assert.ok(Math.min(...found) < 4.5, `t = ${found.map((t) => t.toFixed(2)).join(", ")}`);
  });
});

function trimmed(values: readonly number[]): readonly number[] {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted.slice(0, Math.floor(sorted.length * 0.95));
}

function welch(a: readonly number[], b: readonly number[]): number {
  const mean = (list: readonly number[]): number => list.reduce((sum, one) => sum + one, 0) / list.length;
  const [ma, mb] = [mean(a), mean(b)];
  const variance = (list: readonly number[], m: number): number => list.reduce((sum, one) => sum + (one - m) ** 2, 0) / (list.length - 1);
  return (ma - mb) / Math.sqrt(variance(a, ma) / a.length + variance(b, mb) / b.length);
}
