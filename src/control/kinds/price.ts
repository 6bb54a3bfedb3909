/** Prices: what a model costs at a provider or on one account, from when to when, who says so and how surely. */
import { z } from "zod";
import { PriceBook, recordProblems, type PriceConfidence, type PriceRecord } from "../../decide/price-book.ts";
import { instantMs, readPriceTerms, type PriceTerms, type TermsProblem } from "../../decide/price-terms.ts";
import { PROVIDERS } from "../../providers/registry.ts";
import { asNumber, asString, isObject, type JsonObject } from "../../wire/json.ts";
import { PLAIN_WRITING, priceSchema } from "../price-schema.ts";
import type { FieldProblem, Kind, StoredObject } from "../types.ts";
import { MONEY } from "./access.ts";
import { line, maybe, objectSchema, reference, type Reads } from "./fields.ts";

const CONFIDENCES = ["owner", "verified", "secondary", "memory"] as const satisfies readonly PriceConfidence[];
const OWNER = "owner";
const FROM_MEMORY = ["price_from_memory"];

const day = (description: string): z.ZodType<string> => {
  const error = "a day such as 2027-01-01, or an instant such as 2027-01-01T08:00Z (both UTC)";
  return z.string({ error }).refine((text) => instantMs(text) !== null, { error }).describe(description);
};

export const price: Kind = {
  name: "price",
  plural: "prices",
  description: "What a model costs at a provider, or on one account, for a time. It goes before the catalogue's price and below one in the configuration.",
  schema: objectSchema(
    z.strictObject({
      provider: maybe(line("The provider's type, for all accounts there")),
      account: maybe(reference("Name of the one configured account that it is for")),
      model: line("The model as the provider calls it", 256),
      price: priceSchema(PLAIN_WRITING, false).describe("USD per million tokens, or USD each, and under which conditions others hold"),
      valid_from: maybe(day("First moment; it has always been so where absent")),
      valid_to: maybe(day("First moment at which it no longer holds; until further notice where absent")),
      source: maybe(line("Who says so; periods of one source do not overlap (owner)")),
      source_url: maybe(line("Where it stands", 2_000)),
      source_date: maybe(day("The day of the source")),
      confidence: maybe(z.enum(CONFIDENCES, { error: CONFIDENCES.join(", ") }).describe("How sure it is; from memory, every charge by it says so")),
      corrects: maybe(reference("Id of the price that this one sets right, for the same time")),
      note: maybe(line("A note", 2_000)),
    }),
  ),
  check,
  checksAny: true,
  seal: (sent, before, { nowMs }) => ({ body: { ...sent, known_since_ms: before !== undefined && sameMoney(before.body, sent) ? (before.body["known_since_ms"] ?? nowMs) : nowMs } }),
  made: ["known_since_ms"],
  needs: ({ corrects }) => (typeof corrects === "string" ? [{ kind: "price", id: corrects }] : []),
  access: { create: MONEY, read: MONEY, update: MONEY, delete: MONEY },
};

const SAID_OF_MONEY = ["provider", "account", "model", "price", "valid_from", "valid_to", "corrects"];

/** Does a change leave what is charged as it was? Then it has been known before. */
function sameMoney(before: JsonObject, now: JsonObject): boolean {
  return SAID_OF_MONEY.every((field) => JSON.stringify(before[field]) === JSON.stringify(now[field]));
}

function check(body: JsonObject, id: string, store: Reads): readonly FieldProblem[] {
  const problems: FieldProblem[] = [];
  const tell = (field: string, message: string): void => void problems.push({ field, message });
  const [provider, account] = [asString(body["provider"]), asString(body["account"])];
  if ((provider === undefined) === (account === undefined)) tell("provider", "give provider or account, one of them");
  if (provider !== undefined && !PROVIDERS.has(provider)) tell("provider", `there is no provider ${provider}`);
  if (account !== undefined && store.get("configured", "*") !== undefined && store.get("configured", `provider/${account}`) === undefined) tell("account", `the configuration has no account ${account}`);
  // What a call costs is the same whoever makes it.
  if (id.includes(".")) tell("", "prices are kept by the organisation default, which runs the place");
  problems.push(...readPriceTerms(termsIn(body)).problems.map(termsProblem));
  if (problems.length > 0) return problems;
  const record = recordOf({ id, version: 1, updatedMs: 0, body });
  if (record === null) return [{ field: "price", message: "there is no price in it" }];
  const others = [...store.all("price")].filter((other) => other.id !== id).flatMap((other) => recordOf(other) ?? []);
  return recordProblems(record, others).map(({ field, message }) => ({ field, message }));
}

function termsIn(body: JsonObject): PriceTerms {
  return isObject(body["price"]) ? body["price"] : {};
}

/** A place in the terms as a field of the object. */
function termsProblem({ path, expected }: TermsProblem): FieldProblem {
  const field = path.reduce<string>((text, part) => (typeof part === "number" ? `${text}[${part}]` : `${text}.${part}`), "price");
  return { field, message: `expected ${expected}` };
}

/** The record that an object stands for; null where it is not sound. */
export function recordOf(object: Pick<StoredObject, "id" | "version" | "updatedMs" | "body">): PriceRecord | null {
  const { body } = object;
  const { sheet, problems } = readPriceTerms(termsIn(body));
  const [provider, account, model] = ["provider", "account", "model"].map((field) => asString(body[field]));
  if (sheet === null || problems.length > 0 || model === undefined || (provider ?? account) === undefined) return null;
  const confidence = CONFIDENCES.find((one) => one === body["confidence"]) ?? OWNER;
  const [url, date, corrects] = ["source_url", "source_date", "corrects"].map((field) => asString(body[field]));
  return {
    id: object.id,
    of: account === undefined ? { provider: provider ?? "" } : { account },
    model,
    validFromMs: instantMs(body["valid_from"]) ?? 0,
    validToMs: instantMs(body["valid_to"]),
    knownSinceMs: asNumber(body["known_since_ms"]) ?? object.updatedMs,
    sheet: { version: `price:${object.id}.${object.version}`, ...sheet, ...(confidence === "memory" ? { doubts: FROM_MEMORY } : {}) },
    provenance: { source: asString(body["source"]) ?? OWNER, ...(url === undefined ? {} : { url }), ...(date === undefined ? {} : { date }) },
    confidence,
    ...(corrects === undefined ? {} : { corrects }),
  };
}

/** All managed prices. */
export function priceBook(store: Pick<Reads, "all">): PriceBook {
  return new PriceBook([...store.all("price")].flatMap((object) => recordOf(object) ?? []));
}
