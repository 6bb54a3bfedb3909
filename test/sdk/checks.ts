/** What several SDKs' cases ask of an answer. */
import assert from "node:assert/strict";
import { z } from "zod";
import type { Cell } from "./matrix.ts";
import { PERSON, PNG } from "./world.ts";

/** The schema of structured output. */
export const Person = z.object({ name: z.string(), age: z.number().int() });

/** Asserts that it is what the schema asks. */
export function checkPerson(cell: Cell, person: { name: string; age: number } | null | undefined): void {
  // The fleet makes a value of the schema that it was given; the mock has one of its own.
  if (cell.world.kind === "aimock") assert.deepEqual(person, PERSON);
  else assert.deepEqual([typeof person?.name, Number.isInteger(person?.age)], ["string", true]);
}

/** Asserts that these are the fleet's thoughts, whole: six words, or twelve where the provider is asked to think. */
export function checkThoughts(text: unknown, words: 6 | 12 = 6): void {
  assert.match(String(text), words === 6 ? /^(?:[a-z]+ ){6}$/ : /^(?:[a-z]+ ){12}$/);
}

/**
 * Asserts that a signed block of thinking, as a client of Messages has it, came back to its maker as it was; elsewhere, that
 * what proves the thoughts came back where it has a place, or that the client was told that it did not.
 */
export function checkThoughtsBack(cell: Cell, block: { readonly thinking: string; readonly signature?: string | undefined }, headers: Headers): void {
  const body = cell.calls().at(-1)?.body ?? "";
  const { thinking, signature } = block;
  if (cell.dialect === "anthropic") {
    assert.match(signature ?? "", /.{20}/);
    assert.ok(body.includes(JSON.stringify({ type: "thinking", thinking, signature })), body);
  } else if (!/"thoughtSignature":"[^"]{20}|"reasoning_content":"[a-z]/.test(body)) {
    assert.match(headers.get("x-spillway-warning") ?? "", /reasoning was left out|signature/);
  }
}

/** Asserts that what proves a model's thoughts came back by a client of generateContent, in the place where the dialect has one. */
export function checkSignatureBack(cell: Cell, thoughts: string): void {
  const body = cell.calls().at(-1)?.body ?? "";
  if (cell.dialect === "gemini") assert.match(body, /"thoughtSignature":"[A-Za-z0-9+/=]{20,}"/);
  if (cell.dialect === "anthropic") assert.ok(body.includes(`{"type":"thinking","thinking":${JSON.stringify(thoughts)},"signature":"`), body);
}

/** The picture's bytes and type, in the place where the dialect wants them. */
export function checkPicture(cell: Cell): void {
  const body = cell.calls()[0]?.body ?? "";
  const wanted = {
    // Some clients name a `detail` behind it.
    openai: `{"type":"image_url","image_url":{"url":"data:image/png;base64,${PNG}"`,
    anthropic: `{"type":"image","source":{"type":"base64","media_type":"image/png","data":"${PNG}"}}`,
    gemini: `{"inlineData":{"mimeType":"image/png","data":"${PNG}"}}`,
  }[cell.dialect];
  assert.ok(body.includes(wanted), body);
}

/** Asserts the vectors of `over` and `under`, in this order. */
export function checkVectors(cell: Cell, vectors: readonly (readonly number[])[]): void {
  assert.equal(vectors.length, 2);
  for (const [at, text] of ["over", "under"].entries()) {
    const wanted = cell.world.embedding(text);
    assert.equal(vectors[at]?.length, wanted.length);
    for (const [i, number] of wanted.entries()) assert.ok(Math.abs((vectors[at]?.[i] ?? NaN) - number) < 1e-6, `vector ${at}, number ${i}`);
  }
}
