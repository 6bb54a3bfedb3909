import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { ECHO_CHARS, isBreak, Joint, restOfLimit, Seen, shownOf } from "./rescue.ts";
import { failed } from "./test-candidates.ts";

const RUNS = { numRuns: 2_000 };

/** A text as models write it: words, white space of all kinds, letters of one to four bytes. */
const aText = fc.array(fc.oneof(fc.stringMatching(/^[a-z]{1,9}$/), fc.constantFrom(" ", "  ", "\n\n", "\t", "\u{1f98a}", "\u{1f468}\u200d\u{1f469}", "é", "日本", "\ud83d\ude00", "```\n", "- ")), { minLength: 1, maxLength: 120 }).map((parts) => parts.join(""));

/** Cut into pieces at any place, also within a character. */
function pieces(text: string, cuts: readonly number[]): readonly string[] {
  const at = [...new Set([0, ...cuts.map((cut) => cut % (text.length + 1)), text.length])].sort((a, b) => a - b);
  return at.slice(1).map((end, i) => text.slice(at[i], end));
}

function joined(seen: string, rest: string, cuts: readonly number[], repeats = false): string {
  const joint = new Joint(seen, repeats);
  return seen + pieces(rest, cuts).map((piece) => joint.push(piece)).join("") + joint.end();
}

const cuts = fc.array(fc.nat(2_000), { maxLength: 30 });

describe("the joint of an answer that is carried on", () => {
  it("is exact after any cut, in any pieces, where the model goes on from what it was shown", () => {
    fc.assert(
      fc.property(aText, fc.nat(2_000), cuts, (text, cut, how) => {
        const seen = text.slice(0, cut % (text.length + 1));
        const rest = text.slice(shownOf(seen).length);
        // Whoever writes the last words again may mean it; see below.
        fc.pre(rest.length < ECHO_CHARS || !shownOf(seen).slice(-4_096).includes(rest.slice(0, ECHO_CHARS)));
        assert.equal(joined(seen, rest, how), text);
      }),
      RUNS,
    );
  });

  it("is exact where a provider answers with all that it was shown, however short that was", () => {
    fc.assert(fc.property(aText, fc.nat(2_000), cuts, (text, cut, how) => assert.equal(joined(text.slice(0, cut % (text.length + 1)), text, how, true), text)), RUNS);
  });

  it("leaves out an exact echo of the end, of any length from which it is one", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.stringMatching(/^[a-z]{4,9}$/), { minLength: 20, maxLength: 60 }), fc.nat(1_000), fc.nat(1_000), cuts, (words, cut, back, how) => {
        const text = words.join(" ");
        const seen = text.slice(0, ECHO_CHARS + (cut % (text.length - ECHO_CHARS)));
        const shown = shownOf(seen);
        fc.pre(shown.length >= ECHO_CHARS);
        const echo = ECHO_CHARS + (back % (shown.length - ECHO_CHARS + 1));
        assert.equal(joined(seen, text.slice(shown.length - echo), how), text);
      }),
      RUNS,
    );
  });

  it("splits no character of two halves and keeps none of them twice", () => {
    const text = "so: \u{1f98a}!";
    const seen = text.slice(0, 5);
    assert.equal(shownOf(seen), "so:");
    assert.equal(joined(seen, " \u{1f98a}!", []), text);
  });

  it("keeps the white space that the client has, whether or not it comes again", () => {
    assert.equal(joined("one\n\n", "\n\ntwo", []), "one\n\ntwo");
    assert.equal(joined("one\n\n", "\ntwo", [1]), "one\n\ntwo");
    assert.equal(joined("one ", "two", [1, 2]), "one two");
    assert.equal(joined("one", " two", [1]), "one two");
  });

  it("takes for no echo what repeats itself, nor what is short", () => {
    const line = "I will not talk in class.\n";
    assert.equal(joined(line.repeat(3), line.repeat(5), [7, 30]), `${line.repeat(3).trimEnd()}\n${line.repeat(5)}`);
    assert.equal(joined("ha ha", " ha ha", [1, 2, 3]), "ha ha ha ha");
    assert.equal(joined("-----", "-----", []), "----------");
  });

  it("holds what may be an echo no longer than until it is decided", () => {
    const joint = new Joint("A long sentence that goes on and on, and on", false);
    assert.equal(joint.push("A long sentence that"), "");
    assert.equal(joint.push(" ends"), "A long sentence that ends");
    assert.equal(joint.push(" here"), " here");
    assert.equal(joint.end(), "");
  });
});

describe("what a client has seen", () => {
  it("is its text, once reasoning before it is finished", () => {
    const seen = new Seen();
    seen.note({ kind: "reasoning", choice: 0, text: "Hm" });
    assert.equal(seen.text, null);
    seen.note({ kind: "text", choice: 0, text: "So " });
    seen.note({ kind: "text", choice: 0, text: "it is" });
    assert.equal(seen.text, "So it is");
    seen.note({ kind: "text", choice: 0, text: "." });
    assert.equal(seen.text, "So it is.");
    seen.note({ kind: "reasoning", choice: 0, text: "wait" });
    assert.equal(seen.text, null);
  });

  it("cannot be gone on with where sound or the odds of tokens belong to it", () => {
    for (const key of ["logprobs", "delta.audio", "audio"]) {
      const seen = new Seen();
      seen.note({ kind: "text", choice: 0, text: "So" });
      seen.note({ kind: "choice-extra", choice: 0, key, value: {} });
      assert.equal(seen.text, null);
    }
    const seen = new Seen();
    seen.note({ kind: "text", choice: 0, text: "So" });
    seen.note({ kind: "choice-extra", choice: 0, key: "content_filter_results", value: {} });
    assert.equal(seen.text, "So");
  });
});

describe("a break", () => {
  it("is a provider's failure after content, of a kind that another need not share", () => {
    const after = (outcome: ReturnType<typeof failed>): ReturnType<typeof failed> => ({ ...outcome, phase: "after-content" }) as ReturnType<typeof failed>;
    for (const kind of ["network", "truncated", "server", "timeout", "malformed", "overload"] as const) assert.equal(isBreak(after(failed(kind))), true, kind);
    for (const kind of ["content_policy", "bad_request", "too_large"] as const) assert.equal(isBreak(after(failed(kind))), false, kind);
    assert.equal(isBreak(failed("server")), false);
    assert.equal(isBreak({ kind: "answered" }), false);
  });
});

describe("the rest of an output limit", () => {
  it("is never more than it was, never less than providers take, and less by what has come", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100_000 }), fc.nat(1_000_000), (limit, bytes) => {
        const rest = restOfLimit(limit, bytes);
        assert.ok(rest <= limit && rest >= Math.min(limit, 16));
      }),
    );
    assert.equal(restOfLimit(100, 40), 90);
  });
});
