/** A document as one HTML file: no script, nothing from elsewhere, black on white on paper. */
import type { Block } from "./document.ts";

/** The file's text. */
export function htmlOf(blocks: readonly Block[], title: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title>
<style>${STYLE}</style>
</head>
<body>
${blocks.map(blockHtml).join("\n")}
</body>
</html>
`;
}

const STYLE = `
body { font: 14px/1.5 system-ui, sans-serif; color: #111; background: #fff; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.7rem; } h2 { font-size: 1.3rem; margin-top: 2.5rem; border-bottom: 1px solid #999; } h3 { font-size: 1rem; margin: 1.4rem 0 .3rem; }
p { margin: .4rem 0; overflow-wrap: anywhere; }
table { border-collapse: collapse; margin: .4rem 0; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid #ccc; padding: .15rem .7rem .15rem 0; text-align: right; vertical-align: top; }
th { border-bottom: 1px solid #555; } .w { text-align: left; overflow-wrap: anywhere; }
@page { margin: 16mm; }
@media print {
  body { font-size: 9.5pt; max-width: none; margin: 0; padding: 0; }
  h2 { break-before: page; } h2:first-of-type { break-before: auto; } h1, h2, h3 { break-after: avoid; } tr { break-inside: avoid; } thead { display: table-header-group; }
}
`;

function blockHtml(block: Block): string {
  switch (block.kind) {
    case "heading":
      return `<h${block.level}>${escaped(block.text)}</h${block.level}>`;
    case "text":
      return `<p>${escaped(block.text)}</p>`;
    case "table": {
      const cells = (row: readonly string[], tag: "th" | "td"): string => `<tr>${row.map((cell, i) => `<${tag}${i === 0 || block.words.includes(i) ? ' class="w"' : ""}>${escaped(cell)}</${tag}>`).join("")}</tr>`;
      return `<table>\n<thead>${cells(block.head, "th")}</thead>\n<tbody>\n${block.rows.map((row) => cells(row, "td")).join("\n")}\n</tbody>\n</table>`;
    }
  }
}

/** Text that means nothing to HTML, within elements and within attributes. */
function escaped(words: string): string {
  return words.replaceAll(/[&<>"']/g, (mark) => ENTITIES[mark] ?? "");
}
const ENTITIES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
