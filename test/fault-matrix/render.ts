/** The page of the matrix: what was found, fault by fault. Holds nothing that differs between two runs. */
import { FALLBACKS, reasonWithout, type Expected, type Finding } from "./cells.ts";
import { DIALECTS, FAULTS, FORMS, type FaultRow, type Form, type Group } from "./faults.ts";
import type { Judged } from "./findings.ts";

const GROUPS: readonly (readonly [Group, string, string])[] = [
  ["unreachable", "No answer", "The provider is not reached, or says nothing."],
  ["refused", "Refused", "An error status that another provider need not give."],
  ["client", "The client's own fault", "An error that every provider would give: told to the client, tried nowhere else, held against nobody."],
  ["spoilt", "Spoilt answers", "Status 200, and no answer that can be used."],
  ["before content", "Before the first content", "A stream that breaks while nothing of it has been shown."],
  ["after headers", "After the headers", "A keep-alive has made the status leave while the provider was silent: failover stays free, and what cannot be helped is told in the stream."],
  ["after content", "After the first content", "Nothing is run again: the stream ends with a typed error, and never with a finish reason or `[DONE]`."],
  ["harmless", "Harmless", "Untidy, but whole."],
];
const SHORT: Readonly<Record<string, string>> = { complete: "✓", "typed error": "✗ told", "typed error without content": "✗ told", "client's error": "client" };

/** The page as Markdown. */
export function renderPage(expected: Expected, judged: readonly Judged[]): string {
  const lines = [
    "# The fault matrix",
    "",
    "<!-- Written by `node scripts/fault-matrix.ts`; the test run holds it to what it finds. -->",
    "",
    `Every fault below was played by a simulated provider to a running gateway, whose client was the OpenAI SDK without retries of its own and a reader of the raw bytes beside it: ${FAULTS.length} faults, ${judged.length} cells, each with accounts of its own. The route of a cell has two candidates: the faulty one, and a healthy one of the same dialect (=) or of another (≠). That the faulty one was called is read from its own bill.`,
    "",
    "The table of what must come out (`test/fault-matrix.expected.json`) was written by hand from the rules, before the first run. A disagreement fails the tests.",
    "",
    "- **✓ n**: a complete answer, status 200, after n upstream calls. **✗ told**: the stream ends with a typed error that the SDK throws. **client 400**: answered with that status after one call. **–**: the fault has no such form.",
    "- *Charged* is what the ledger books for the faulty call:",
    ...Object.entries(expected.money).map(([word, meaning]) => `  - *${word}*: ${meaning}.`),
    "- *Held against it* is what health keeps of the call:",
    ...Object.entries(expected.blame).map(([word, meaning]) => `  - *${word}*: ${meaning}.`),
  ];
  for (const [group, title, about] of GROUPS) lines.push("", `## ${title}`, "", about, "", ...table(expected, FAULTS.filter((row) => row.group === group), judged));
  lines.push("", "## Cells that make no sense", "", ...reasons(expected), "", summary(judged), "");
  return lines.join("\n");
}

function table(expected: Expected, rows: readonly FaultRow[], judged: readonly Judged[]): readonly string[] {
  const columns = FORMS.flatMap((form) => DIALECTS.flatMap((dialect) => FALLBACKS.map((fallback) => ({ form, dialect, fallback }))));
  const names = columns.map(({ form, dialect, fallback }) => `${named(form)} ${DIALECT_NAMES[dialect]} ${fallback === "same" ? "=" : "≠"}`);
  const lines = [`| fault | ${names.join(" | ")} | charged | held against it |`, `|---|${":-:|".repeat(names.length)}---|---|`];
  for (const row of rows) {
    const of = judged.filter((one) => one.cell.row === row);
    const cells = columns.map(({ form, dialect, fallback }) => {
      if (reasonWithout(expected, row.key, form) !== null) return "–";
      const found = of.find(({ cell }) => cell.form === form && cell.dialect === dialect && cell.fallback === fallback);
      return found === undefined ? "?" : short(found.finding);
    });
    lines.push(`| ${row.title} | ${cells.join(" | ")} | ${grouped(of, "money")} | ${grouped(of, "blame")} |`);
  }
  return lines;
}

const DIALECT_NAMES = { "openai-chat": "OpenAI", "anthropic-messages": "Anthropic", gemini: "Gemini" } as const;

function short({ answer, status, attempts }: Finding): string {
  const word = SHORT[answer] ?? answer;
  if (answer === "complete") return `${word} ${attempts}`;
  return answer === "client's error" ? `${word} ${status}` : word;
}

/** One word where all cells agree, else each word with the form and dialect that it belongs to. */
function grouped(of: readonly Judged[], field: "money" | "blame"): string {
  const words = Map.groupBy(of, ({ finding }) => finding[field]);
  if (words.size === 1) return [...words.keys()].join("");
  return [...words]
    .map(([word, some]) => {
      const places = new Set(some.map(({ cell }) => `${cell.form} ${DIALECT_NAMES[cell.dialect]}`));
      const forms = FORMS.filter((form) => DIALECTS.every((dialect) => places.has(`${form} ${DIALECT_NAMES[dialect]}`)));
      const rest = [...places].filter((place) => !forms.some((form) => place.startsWith(form)));
      return `${word} (${[...forms.map(named), ...rest.map((place) => place.replace("json", "JSON"))].join(", ")})`;
    })
    .join("; ");
}

const named = (form: Form): string => (form === "json" ? "JSON" : form);

function reasons(expected: Expected): readonly string[] {
  return FORMS.flatMap((form) =>
    FAULTS.flatMap((row) => {
      const reason = reasonWithout(expected, row.key, form);
      return reason === null ? [] : [`- ${row.title} (${row.group}), ${named(form)}: ${withTitles(reason)}.`];
    }),
  );
}

/** Reasons name other rows by their key; the page knows them by their title. */
function withTitles(reason: string): string {
  return FAULTS.reduce((text, row) => text.replace(row.key, `"${row.title}"`), reason);
}

function summary(judged: readonly Judged[]): string {
  const count = (answer: string): number => judged.filter(({ finding }) => finding.answer === answer).length;
  const refused = count("client's error") + count("typed error without content");
  return `${judged.length} cells: ${count("complete")} complete answers, ${count("typed error")} streams that end with a typed error after content, ${refused} requests refused for the client's own fault. No answer hangs, ends in silence, or is a part passed off as whole.`;
}
