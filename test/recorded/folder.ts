/** Where the recordings of others lie, and how they are read. They are shared data and stay outside the project. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { gunzipSync } from "node:zlib";
import type { Json } from "../../src/wire/json.ts";

const FIXTURES = resolve(process.env["SPILLWAY_SHARED"] ?? resolve(import.meta.dirname, "../../../shared"), "data/fixtures");

/** Why tests over the recordings are skipped; false where the recordings are here. */
export const recordingsAbsent: false | string = existsSync(FIXTURES) ? false : "shared data is absent";

/** Every file under a folder of the recordings, by its path in there, sorted. Empty where they are absent. */
export function filesUnder(folder: string): readonly string[] {
  const root = join(FIXTURES, folder);
  if (!existsSync(root)) return [];
  const entries = readdirSync(root, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => relative(root, join(entry.parentPath, entry.name))).toSorted();
}

/** A file as text. */
export function textOf(path: string): string {
  return readFileSync(join(FIXTURES, path), "utf8");
}

/** A file as bytes. */
export function bytesOf(path: string): Uint8Array {
  return readFileSync(join(FIXTURES, path));
}

/** A JSON file, packed (`.gz`) or not. */
export function jsonOf(path: string): Json {
  const text = path.endsWith(".gz") ? gunzipSync(readFileSync(join(FIXTURES, path))).toString("utf8") : textOf(path);
  return JSON.parse(text) as Json;
}

/** The lines of a file that hold anything. */
export function linesOf(path: string): readonly string[] {
  return textOf(path).split("\n").filter((line) => line.trim() !== "");
}
