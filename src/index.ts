/**
 * What a program that builds on the package may rely on: the contracts between its parts. The gateway itself is started by
 * the command line.
 */
export type * from "./ports.ts";
export type { FailureClass, Fault, Outcome, Phase, UpstreamError } from "./wire/outcome.ts";
export { ERRORS } from "./wire/errors.ts";
export type { ErrorCode, GatewayError } from "./wire/errors.ts";
export { HealthBook } from "./decide/health/book.ts";
export type { HealthId, HealthRow, HealthView, Ticket } from "./decide/health/book.ts";
