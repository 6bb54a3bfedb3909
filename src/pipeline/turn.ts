/**
 * A request's turn among its caller's limits on pace. It is taken once, before anything is held or called, for where the first
 * candidate of its choice would go: what a later attempt goes to does not count anew. It is given back with the record.
 */
import { clientOf } from "../providers/dialects/clients.ts";
import { rateHeaders } from "../providers/dialects/rate-headers.ts";
import type { Caller, RateGate, RateTaken, RequestRecord } from "../ports.ts";
import { gatewayError, type GatewayError } from "../wire/errors.ts";
import type { RateLimit, RateRefusal, RateWhat } from "../wire/rates.ts";
import { servedFacts, type ServedName, type SurfaceName } from "../wire/surfaces.ts";
import { inputTokens, outputTokens } from "../wire/usage.ts";
import type { Deps } from "./deps.ts";
import { scopesOf } from "./scopes.ts";
import type { ExchangeSettings } from "./surface.ts";

/** Where no wait is of any use. Whoever asks again all the same finds other limits by then, or none. */
const NO_USE_MS = 60_000;

/** Takes a request's turn; null: no limit applies to it. */
export function takeTurn(deps: Deps, settings: ExchangeSettings, surface: ServedName): Turn | null {
  const { rates } = deps;
  if (rates?.any !== true) return null;
  const { caller, route, choice, inputEstimateTokens } = settings;
  const first = choice.candidates[0];
  const deployment = (first ?? route.candidates[0])?.deployment;
  const scopes = deployment === undefined ? caller.scopes : scopesOf(caller.scopes, route.name, deployment);
  const asked = first?.outputLimit?.tokens ?? settings.maxOutputTokens;
  const unasked = Math.min(caller.policy?.defaultMaxOutput ?? route.defaultMaxOutput, deployment?.maxOutput ?? Number.POSITIVE_INFINITY);
  const output = asked === undefined ? 0 : (asked ?? unasked) * (settings.choiceCount ?? 1);
  const admission = rates.admit(scopes, inputEstimateTokens + output, deps.clock.nowMs(), inputEstimateTokens);
  if (admission.kind === "admitted" && admission.taken.tokens.length === 0) return null;
  return new Turn(deps, rates, scopes, surface, admission.kind === "admitted" ? admission.taken : refusal(admission, caller, inputEstimateTokens, output));
}

export interface Refused {
  readonly error: GatewayError;
  /** Of the record. */
  readonly flag: RateFlag;
}
export type RateFlag = `rate_limited:${RateWhat}`;

export class Turn {
  readonly #deps: Deps;
  readonly #rates: RateGate;
  readonly #scopes: readonly string[];
  readonly #surface: ServedName;
  readonly #taken: RateTaken | null;
  /** null: the request may go on. */
  readonly refused: Refused | null;

  constructor(deps: Deps, rates: RateGate, scopes: readonly string[], surface: ServedName, what: RateTaken | Refused) {
    this.#deps = deps;
    this.#rates = rates;
    this.#scopes = scopes;
    this.#surface = surface;
    this.#taken = "error" in what ? null : what;
    this.refused = "error" in what ? what : null;
  }

  /** How the limits stand now, in the surface's form. */
  headers(): readonly string[] {
    const { clock } = this.#deps;
    const standings = this.#rates.standing(this.#scopes, clock.nowMs());
    const told = clientOf(formOf(this.#surface)).rateHeaders ?? rateHeaders;
    return told(standings, clock.wallMs());
  }

  /** Begins the request; a defect that shows there ends the turn too. */
  guard(begin: () => void): void {
    try {
      begin();
    } catch (problem) {
      this.end(null);
      throw problem;
    }
  }

  /** The request is over. `attempts`: what it came to; null where nobody knows. */
  end(attempts: RequestRecord["attempts"] | null): void {
    if (this.#taken === null) return;
    const tokens = attempts?.reduce((sum, { units }) => sum + inputTokens(units) + outputTokens(units), 0) ?? null;
    this.#rates.done(this.#taken, tokens, this.#deps.clock.nowMs());
  }
}

/** Whose form headers take. */
function formOf(surface: ServedName): SurfaceName {
  return servedFacts(surface)?.form ?? (surface === "embeddings" ? "chat" : (surface as SurfaceName));
}

/** The refusal as a client reads it: the limit, what is left of it, and when to come back. */
function refusal(refused: RateRefusal, caller: Caller, input: number, output: number): Refused {
  const { limit, what, remaining, retryAfterMs } = refused;
  const again = retryAfterMs === null ? "Waiting is of no use." : `Please try again in ${Math.ceil(retryAfterMs / 10) / 100}s.`;
  const message = `${whose(limit, caller)} ${standsText(limit, what, remaining, input, output)}. ${again}`;
  const more = retryAfterMs === null ? { retry: false, retryAfterMs: NO_USE_MS } : { retryAfterMs };
  return { error: gatewayError("rate_limited", message, more), flag: `rate_limited:${what}` };
}

/** Who is told no deployments hears of no models and accounts either. */
function whose({ id, scopes }: RateLimit, caller: Caller): string {
  if (caller.policy?.expose !== "none") return `The limit ${id} allows ${scopes.join(" + ")}`;
  const own = scopes.filter((scope) => caller.scopes.includes(scope) || scope.startsWith("route/"));
  return `The limit ${id.split("#", 1)[0]} allows ${own.join(" + ")}`;
}

function standsText(limit: RateLimit, what: RateWhat, remaining: number, input: number, output: number): string {
  if (what === "concurrency") return `${limit.concurrency} requests at once, and as many are under way`;
  if (what === "requests") return `${limit.requestsPerMinute} requests a minute: ${remaining} are left`;
  const most = limit.tokensPerMinute ?? 0;
  const counts = Math.min(input + output, Math.max(most, input));
  return `${most} tokens a minute: ${remaining} are left, and this request counts for ${counts} (prompt about ${input}, answer up to ${output})`;
}
