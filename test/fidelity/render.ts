/** The page of the matrix: one section per surface, with what was found. Holds nothing that differs between two runs. */
import type { SurfaceName } from "../../src/wire/surfaces.ts";
import { surfacesOf, type Expected } from "./expected.ts";
import { ANSWER_FEATURES, featureOf, REQUEST_FEATURES } from "./features.ts";
import type { Cell, Table } from "./matrix.ts";
import { SURFACES } from "./surfaces/index.ts";
import { DIALECTS, modelsOf } from "./targets.ts";

const SURFACE_TITLES: Readonly<Partial<Record<SurfaceName, string>>> = {
  chat: "Chat Completions: `POST /v1/chat/completions`",
  "chat-mistral": "Chat Completions for Mistral's clients: the same path, known by their `user-agent`, or `POST /mistral/v1/chat/completions`",
  completions: "Legacy completions: `POST /v1/completions`",
  responses: "Responses: `POST /v1/responses`",
  messages: "Messages: `POST /v1/messages`",
  "generate-content": "Gemini: `generateContent`, `streamGenerateContent`",
  converse: "Bedrock: `converse`, `converse-stream`",
  "chat-v2": "Cohere: `POST /v2/chat`",
};
const SIGNS: Readonly<Record<string, string>> = { carried: "✓", emulated: "≈", warned: "⚠", refused: "✗", "n-a": "–" };

/** The page as Markdown. */
export function renderPage(expected: Expected, cells: readonly Cell[]): string {
  return [
    "# The fidelity matrix",
    "",
    "<!-- Written by `node scripts/fidelity-doc.ts`; the test run holds it to what it finds. -->",
    "",
    `What becomes of a feature on its way from a client's protocol to a provider's, and of an answer on its way back: ${Object.keys(REQUEST_FEATURES).length} features of requests and ${Object.keys(ANSWER_FEATURES).length} of answers, on ${SURFACES.length} surfaces over ${DIALECTS.length} upstream dialects.`,
    "",
    "Each cell is a request through the gateway's whole path, from the bytes of the client to the bytes for the provider and back; answers go both whole and as a stream, and must come to the same. Values that occur nowhere else are looked for at their places in the body that leaves, or in what the client reads. The expectation (`test/fidelity.expected.json`) was written by hand before the first run; a disagreement fails the tests. Nothing is ever lost: what does not arrive is named in `x-spillway-warning` or refused.",
    "",
    ...Object.entries(expected.words).map(([word, meaning]) => `- **${SIGNS[word] ?? "?"} ${word}**: ${meaning}.`),
    "- **!** behind a sign: a warning tells the client what is different.",
    "",
    "Where client and provider speak one protocol, the bytes pass. Features that a surface does not have are left out of its tables and named below them. The models that were asked stand at the end.",
    ...SURFACES.flatMap(({ surface }) => section(expected, surface, cells.filter((cell) => cell.spec.surface === surface))),
    "",
    "## What was asked",
    "",
    "Facts of a model come into it where models of one protocol differ: a model that reasons, one that refuses sampling, one that takes sound.",
    "",
    ...DIALECTS.map((dialect) => `- \`${dialect}\`: ${modelsOf(dialect).map((name) => `\`${name}\``).join(", ")}.`),
    "",
    summary(cells),
    "",
  ].join("\n");
}

function section(expected: Expected, surface: SurfaceName, cells: readonly Cell[]): readonly string[] {
  const notes: string[] = [];
  const numberOf = (note: string): number => {
    if (!notes.includes(note)) notes.push(note);
    return notes.indexOf(note) + 1;
  };
  const tables = [...table(expected, "requests", "What a client asks", surface, cells, numberOf), ...table(expected, "answers", "What it is answered", surface, cells, numberOf)];
  return ["", `## ${SURFACE_TITLES[surface] ?? surface}`, ...tables, "", ...notes.map((note, at) => `${at + 1}. ${expected.notes[note] ?? ""}`), "", absent(expected, surface)];
}

function table(expected: Expected, which: Table, title: string, surface: SurfaceName, cells: readonly Cell[], numberOf: (note: string) => number): readonly string[] {
  const rows = Object.entries(expected[which]).filter(([, feature]) => surfacesOf(feature).includes(surface));
  const lines = ["", `| ${title} | ${DIALECTS.map((dialect) => `\`${dialect}\``).join(" | ")} |`, `|---|${DIALECTS.map(() => ":-:|").join("")}`];
  let group = "";
  for (const [key] of rows) {
    const of = cells.filter((cell) => cell.table === which && cell.key === key);
    const [first] = of;
    if (first === undefined) continue;
    const feature = featureOf(first.key);
    if (feature.group !== group && which === "requests") lines.push(`| **${(group = feature.group)}** |${" |".repeat(DIALECTS.length)}`);
    lines.push(`| ${feature.title} | ${of.map((cell) => sign(cell, numberOf)).join(" | ")} |`);
  }
  return lines;
}

function sign({ found, expected }: Cell, numberOf: (note: string) => number): string {
  const word = found.word.replace("!", "");
  const told = found.word.endsWith("!") ? "!" : "";
  return `${SIGNS[word] ?? found.word}${told}${expected.note === null ? "" : ` [${numberOf(expected.note)}]`}`;
}

function absent(expected: Expected, surface: SurfaceName): string {
  const keys = (["requests", "answers"] as const).flatMap((which) => Object.entries(expected[which]).filter(([, feature]) => !surfacesOf(feature).includes(surface)).map(([key]) => key));
  const titles = keys.map((key) => featureOf(key as Cell["key"]).title);
  return titles.length === 0 ? "This surface has every feature." : `Not on this surface: ${titles.join("; ")}.`;
}

function summary(cells: readonly Cell[]): string {
  const count = (word: string): number => cells.filter(({ found }) => found.word.replace("!", "") === word).length;
  return `${cells.length} cells: ${count("carried")} carried, ${count("emulated")} emulated, ${count("warned")} warned, ${count("refused")} refused, ${count("n-a")} do not apply, none lost.`;
}
