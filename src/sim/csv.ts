/** Tables as files: comma-separated with a header, plain or gzipped. */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";

/** The text of a file; what ends in `.gz` is unpacked. */
export function readText(path: string): string {
  const bytes = readFileSync(path);
  return (path.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("utf8");
}

/** Rows by the names in the header. Throws where a row has another number of fields; quotes are not known. */
export function csvRows(text: string): readonly Readonly<Record<string, string>>[] {
  const [head = "", ...lines] = text.split(/\r?\n/);
  const names = head.split(",");
  return lines.flatMap((line, i) => {
    if (line === "") return [];
    const fields = line.split(",");
    if (fields.length !== names.length) throw new Error(`line ${i + 2} has ${fields.length} fields, the header ${names.length}`);
    return [Object.fromEntries(names.map((name, at) => [name, fields[at] as string]))];
  });
}

/** A number of a row; throws where it is none. */
export function numberIn(row: Readonly<Record<string, string>>, name: string): number {
  const value = Number(row[name]);
  if (row[name] === undefined || row[name] === "" || !Number.isFinite(value)) throw new Error(`"${name}" should be a number, found "${row[name] ?? "nothing"}"`);
  return value;
}
