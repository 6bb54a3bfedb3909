/** What encoding a request has to tell beside the body: warnings, and the first thing that cannot be carried at all. */
import type { Unsupported } from "../dialect.ts";

export class Draft {
  readonly #warnings = new Set<string>();
  #refusal: Unsupported | undefined;

  /** Note what was changed or left out; the same sentence is told once. */
  warn(message: string): void {
    this.#warnings.add(message);
  }

  /** Note what this dialect cannot do. The first one is told; encoding goes on so that the caller needs no branches. */
  refuse(param: string, message: string): void {
    this.#refusal ??= { kind: "unsupported", param, message };
  }

  get refusal(): Unsupported | undefined {
    return this.#refusal;
  }

  get warnings(): readonly string[] {
    return [...this.#warnings];
  }
}

/** A name that someone else chose, made fit for a header: clipped, and nothing but visible ASCII. */
export function shown(name: string): string {
  const clipped = name.length > 64 ? `${name.slice(0, 64)}...` : name;
  return clipped.replace(/[^\x21-\x7e]/g, "?");
}
