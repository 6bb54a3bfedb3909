/** Pages of buckets: `{ data: [{ …bounds, results: […] }], has_more }`, one of them or a list of all. */
import { asArray, isObject, type Json, type JsonObject } from "../../wire/json.ts";
import type { InvoiceLine, InvoiceProblem, ReadInvoice } from "../../wire/invoice.ts";

/** Thrown where a result is not what its format says. */
export class BadLine extends Error {}

const MOST_PROBLEMS = 20;
const MOST_LINES = 2_000_000;

/** Collects lines; a problem among them makes the file say nothing. */
export class Lines {
  readonly #lines: InvoiceLine[] = [];
  readonly #problems: InvoiceProblem[] = [];

  /** Read what stands at a place. */
  read(at: string, read: () => InvoiceLine | null): void {
    if (this.#problems.length >= MOST_PROBLEMS) return;
    try {
      const line = read();
      if (line !== null && this.#lines.push(line) > MOST_LINES) throw new BadLine(`more than ${MOST_LINES} lines; reconcile a shorter time`);
    } catch (error) {
      if (!(error instanceof BadLine)) throw error;
      this.#problems.push({ at, message: error.message });
    }
  }

  done(): ReadInvoice {
    if (this.#problems.length > 0) return { ok: false, problems: this.#problems };
    return { ok: true, lines: this.#lines };
  }
}

/** The form of one kind of page. */
export interface PageForm {
  /** The bounds of a bucket, ms since 1970. */
  readonly bounds: (bucket: JsonObject) => { readonly fromMs: number | null; readonly toMs: number | null };
  /** Throws BadLine. null: nothing that is counted here. */
  readonly line: (result: JsonObject, place: Pick<InvoiceLine, "at" | "fromMs" | "toMs">) => InvoiceLine | null;
}

/** Read pages; all of them must be there. */
export function readPages(text: string, form: PageForm): ReadInvoice {
  const value = parse(text);
  const pages = Array.isArray(value) ? (value as readonly Json[]) : [value];
  if (value === undefined || pages.length === 0 || !pages.every((page) => isObject(page) && Array.isArray(page["data"]))) {
    return { ok: false, problems: [{ at: "the file", message: "this is no page of buckets, nor a list of such pages" }] };
  }
  const last = pages.at(-1);
  if (isObject(last) && last["has_more"] === true) return { ok: false, problems: [{ at: "has_more", message: "there are more pages; put all of them into one list: [page, page, …]" }] };
  const lines = new Lines();
  for (const [page, { data }] of (pages as readonly JsonObject[]).entries()) {
    for (const [index, bucket] of asArray(data).entries()) {
      const at = `${pages.length > 1 ? `[${page}].` : ""}data[${index}]`;
      if (!isObject(bucket) || !Array.isArray(bucket["results"])) {
        lines.read(at, () => {
          throw new BadLine("this is no bucket with results");
        });
        continue;
      }
      for (const [number, result] of asArray(bucket["results"]).entries()) lines.read(`${at}.results[${number}]`, () => oneLine(form, bucket, result, `${at}.results[${number}]`));
    }
  }
  return lines.done();
}

function oneLine(form: PageForm, bucket: JsonObject, result: Json, at: string): InvoiceLine | null {
  const { fromMs, toMs } = form.bounds(bucket);
  if (fromMs === null || toMs === null || !(toMs > fromMs)) throw new BadLine("the bucket has no sound beginning and end");
  if (!isObject(result)) throw new BadLine("this is no result");
  return form.line(result, { at, fromMs, toMs });
}

function parse(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    // Said to be no page by whoever reads it.
    return undefined;
  }
}
