/** Reading package manifests and lockfiles without trusting their shape. */
import { readFileSync } from "node:fs";

/** Parse a JSON file; the error names the file. */
export function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw new Error(`${path}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

/** The value as an object; empty where it is none. */
export function object(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

/** The value as text; empty where it is none. */
export function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
