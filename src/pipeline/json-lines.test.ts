import assert from "node:assert/strict";
import { it } from "node:test";
import { LineReader } from "./json-lines.ts";

function read(text: string, size: number, maxBytes = 100): (string | null)[] {
  const bytes = new TextEncoder().encode(text);
  const lines: (string | null)[] = [];
  const reader = new LineReader(maxBytes, (line) => lines.push(line === null ? null : new TextDecoder().decode(line)));
  for (let at = 0; at < bytes.length; at += size) {
    const chunk = bytes.slice(at, at + size);
    reader.push(chunk);
    // Whoever gave it may use its memory again.
    chunk.fill(0);
  }
  reader.end();
  return lines;
}

it("lines are the same in whatever pieces they come, with or without a last end, and empty ones are none", () => {
  for (let size = 1; size < 30; size++) assert.deepEqual(read(`{"a":1}\r\n\n  \n{"é":2}\n{"b":3}`, size), [`{"a":1}\r`, `{"é":2}`, `{"b":3}`]);
});

it("a line beyond the bound is told as such, and those around it are read", () => {
  for (let size = 1; size < 30; size++) assert.deepEqual(read("ok\n123456789\nend\n", size, 8), ["ok", null, "end"]);
});
