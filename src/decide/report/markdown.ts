/** A document as Markdown. Names come from outside, so nothing in a cell or sentence is left to mean anything. */
import type { Block } from "./document.ts";

/** The text of a document. */
export function markdownOf(blocks: readonly Block[]): string {
  return `${blocks.map(blockText).join("\n\n")}\n`;
}

function blockText(block: Block): string {
  switch (block.kind) {
    case "heading":
      return `${"#".repeat(block.level)} ${plain(block.text)}`;
    case "text":
      return plain(block.text);
    case "table": {
      const line = (cells: readonly string[]): string => `| ${cells.map(plain).join(" | ")} |`;
      const rule = `|${block.head.map((_cell, i) => (i === 0 || block.words.includes(i) ? " --- |" : " ---: |")).join("")}`;
      return [line(block.head), rule, ...block.rows.map(line)].join("\n");
    }
  }
}

/** With what Markdown or HTML would read as a mark escaped; it is on one line already. */
function plain(words: string): string {
  return words.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll(/[\\`*_{}[\]|~]/g, (mark) => `\\${mark}`);
}
