/** Reading values that may have the wrong type: the schema reports those, the rest of the checks pass over them. */
export type Raw = Readonly<Record<string, unknown>>;

/** The value if it is a map, else an empty one. */
export function asMap(value: unknown): Raw {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Raw) : {};
}

/** The value if it is a list, else an empty one. */
export function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? (value as readonly unknown[]) : [];
}

/** The value if it is text, else null. */
export function asText(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

/** A number, or text that is one (a substituted value is always text); else null. */
export function asNumeric(value: unknown): number | null {
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  return typeof number === "number" && Number.isFinite(number) ? number : null;
}

/** true or false, also as text; else null. */
export function asFlag(value: unknown): boolean | null {
  if (value === true || value === "true") return true;
  return value === false || value === "false" ? false : null;
}
