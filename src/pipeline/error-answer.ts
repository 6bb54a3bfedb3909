/** The whole of an answer that is an error, or what the surface knows to answer in place of one. */
import { statusOf, type GatewayError } from "../wire/errors.ts";
import { answerHeaders, errorHeaders, type AnswerFacts } from "./answer-headers.ts";
import type { Delivery } from "./delivery.ts";
import type { Surface } from "./surface.ts";

const JSON_TYPE = ["content-type", "application/json"];

/** Tell an error of which nothing has left yet. Returns the flag of what was answered in its place; null: the error was told. */
export function answerError(delivery: Delivery, surface: Surface, error: GatewayError, facts: AnswerFacts): string | null {
  const instead = surface.instead?.(error);
  const body = instead?.body ?? surface.errorBody(error);
  const told = [...JSON_TYPE, "content-length", String(body.length)];
  if (instead === undefined) delivery.head(statusOf(error), answerHeaders(facts, [...told, ...errorHeaders(error), ...surface.errorHeaders(error)]));
  else delivery.head(200, answerHeaders({ ...facts, warnings: [...facts.warnings, instead.warning] }, told));
  delivery.end(body);
  return instead?.flag ?? null;
}
