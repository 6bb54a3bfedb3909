/** Another gateway's snapshots of translated requests and answers: ours are the same, or differ for a reason that is written down. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { cacheWriteTokens, inputTokens, outputTokens } from "../../src/wire/usage.ts";
import { filesUnder, recordingsAbsent } from "./folder.ts";
import { decoded, goldenOf, theirRecord, translations, usageOf } from "./golden-answers.ts";
import { ANSWERS, BYTES_PASS, NOT_COMPARED, RECORDS, REFUSED, REQUESTS, type Explained } from "./golden-differences.ts";
import { ourRequest, theirRequest } from "./golden-requests.ts";
import { differencesOf, fitsFile, fitsPath, type JsonDifference } from "./json-difference.ts";

const snapshots = filesUnder("agentgateway").filter((file) => file.endsWith(".snap"));
const isCompared = (file: string): boolean => !Object.keys(NOT_COMPARED).some((pattern) => fitsFile(pattern, file));
const under = (folder: string) => snapshots.filter(isCompared).filter((file) => file.startsWith(`${folder}/`)).map((file) => file.slice(folder.length + 1));
const requests = under("requests");
const answers = under("response");
const translated = answers.filter((file) => !BYTES_PASS.some((pattern) => fitsFile(pattern, file)));

/** Explanations that were needed, so that those that are not can be told. */
const used = new Set<string>();

function explains({ files, paths, ours }: Explained, file: string, difference: JsonDifference): boolean {
  const path = fitsFile(files, file) ? paths.find((pattern) => fitsPath(pattern, difference.path)) : undefined;
  if (path === undefined) return false;
  if (ours !== undefined && difference.ours !== undefined && differencesOfAll(ours, difference.ours)) return false;
  used.add(`${files} ${path}`);
  return true;
}

function differencesOfAll(allowed: readonly unknown[], ours: unknown): boolean {
  return !allowed.some((one) => JSON.stringify(one) === JSON.stringify(ours));
}

/** All explanations of a place count as used, but one is enough. */
function unexplained(table: readonly Explained[], file: string, differences: readonly JsonDifference[]): readonly JsonDifference[] {
  return differences.filter((difference) => table.filter((one) => explains(one, file, difference)).length === 0);
}

describe("another gateway's snapshots", { skip: recordingsAbsent }, () => {
  test("are all accounted for, in known numbers", () => {
    assert.deepEqual([snapshots.length, requests.length, translated.length, answers.length - translated.length], [169, 56, 38, 30]);
    for (const pattern of [...Object.keys(NOT_COMPARED), ...BYTES_PASS.map((one) => `response/${one}`)]) {
      assert.ok(snapshots.some((file) => fitsFile(pattern, file)), `${pattern} fits nothing`);
    }
  });

  for (const file of requests) {
    test(`requests/${file}: what we send is the same, or differs as explained`, () => {
      const rows = REFUSED[file] ?? [];
      const { request, refused } = ourRequest(file, rows.map(({ place }) => place));
      assert.deepEqual(refused, rows.map(({ param }) => param), "what is refused");
      assert.deepEqual(unexplained(REQUESTS, file, differencesOf(theirRequest(file), request)), []);
    });
  }

  for (const file of translated) {
    test(`response/${file}: what our client gets is the same, or differs as explained`, () => {
      const { theirs, ours } = translations(file);
      assert.deepEqual(unexplained(ANSWERS, file, differencesOf(theirs, ours)), []);
    });
  }

  test("tell of every answer what we count in it, but for what is explained", () => {
    let compared = 0;
    const left = answers.flatMap((file) => {
      const golden = goldenOf(file);
      const record = theirRecord(file);
      const events = decoded(golden);
      const { units, serviceTier } = usageOf(events);
      // The provider's own way: in these two protocols the input does not hold what was cached.
      const apart = golden.folder === "anthropic" || golden.folder === "bedrock";
      const start = events.find((event) => event.kind === "start");
      const ours = {
        input_tokens: apart ? units.input : inputTokens(units), output_tokens: outputTokens(units), reasoning_tokens: units.reasoning ?? 0,
        cached_input_tokens: units.cache_read ?? 0, cache_creation_input_tokens: cacheWriteTokens(units),
        input_audio_tokens: units.audio_input ?? 0, output_audio_tokens: units.audio_output ?? 0, service_tier: serviceTier ?? start?.serviceTier,
      };
      const told = Object.entries(ours).filter(([name]) => record[name] !== undefined);
      compared += told.length;
      const differing = told.flatMap(([name, count]) => differencesOf(record[name], count, name));
      return unexplained(RECORDS, file, differing).map((difference) => ({ file, ...difference }));
    });
    assert.deepEqual(left, []);
    assert.ok(compared > 250, `${compared} counts`);
  });

  test("need every explanation that is written down", () => {
    const written = [...REQUESTS, ...ANSWERS, ...RECORDS].flatMap(({ files, paths }) => paths.map((path) => `${files} ${path}`));
    assert.deepEqual(written.filter((one) => !used.has(one)), []);
    assert.deepEqual(Object.keys(REFUSED).filter((file) => !requests.includes(file)), []);
    for (const { reason } of [...REQUESTS, ...ANSWERS, ...RECORDS, ...Object.values(REFUSED).flat()]) assert.ok(reason.length > 12, reason);
  });
});
