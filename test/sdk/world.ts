/**
 * What a case of the client matrix runs against: a gateway, and behind it one upstream of each dialect, played by our own
 * fleet or by a mock of others. Both worlds answer to the same scripts, so that one case serves for both.
 */
import assert from "node:assert/strict";
import type { TestGateway } from "../support/gateway.ts";

export const DIALECTS = ["openai", "anthropic", "gemini"] as const;
export type DialectName = (typeof DIALECTS)[number];
/** The fleet plays the first three; the mock of others plays all. */
export const UPSTREAMS = [...DIALECTS, "responses", "converse", "cohere"] as const;
export type UpstreamName = (typeof UPSTREAMS)[number];
export const KINDS = ["fleet", "aimock"] as const;
export type WorldKind = (typeof KINDS)[number];

/** A call as the upstream has it in its books. */
export interface UpstreamCall {
  readonly dialect: UpstreamName;
  /** The whole body as JSON text, as far as the upstream keeps it. */
  readonly body: string;
  /** Tokens that the upstream told its client; null where it told none. */
  readonly usage: { readonly input: number; readonly output: number } | null;
  /** Nano-dollars; null where the upstream told no usage to price. */
  readonly costNanoUsd: number | null;
  /** As the fleet has it: answered, client_gone, refused … */
  readonly outcome: string;
}

/** chat: answers. thinker: answers after some thought. slow: a stream of seconds. faulty: always 400, in the dialect's own words. broken: always 503. */
export type Behaviour = "chat" | "thinker" | "slow" | "faulty" | "broken";

export interface World {
  readonly kind: WorldKind;
  readonly gateway: TestGateway;
  /** What the SDK is given as its key. */
  readonly apiKey: string;
  /** Calls in the order of arrival. */
  calls(): readonly UpstreamCall[];
  /** Asserts that this is an answer of this upstream, whole. */
  checkText(text: string | null | undefined): void;
  /** The vector that this upstream has for a text. */
  embedding(text: string): readonly number[];
  close(): Promise<void>;
}

/** The model name that leads to an upstream of this dialect and no other. */
export const model = (dialect: UpstreamName, behaviour: Behaviour = "chat"): string => `${behaviour}-${dialect}`;
/** The same under a name by which some clients choose another of OpenAI's protocols. */
export const codexModel = (dialect: UpstreamName, behaviour: Behaviour = "chat"): string => `${model(dialect, behaviour)}-codex`;
export const EMBEDDING_MODEL = "vectors";

/** In every request, and therefore to be found in every upstream's body. */
export const SYSTEM = "You speak of rivers only.";
export const QUESTION = "Where does the water go?";
/** Asks the mock for JSON; the fleet goes by the schema alone. */
export const JSON_QUESTION = "Who is it? Answer as JSON.";
/** What a faulty upstream says. */
export const WORDS = "The value of 'top_k' must not be a river.";
export const PERSON = { name: "Ada", age: 36 };
/** One red pixel. */
export const PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC";

/**
 * Routes by which each dialect is reached alone; `fallbacks: off` keeps a failing case from being healed elsewhere. `prefixes`:
 * what stands before the behaviour in a candidate, `account/` and more where a model's name matters.
 */
export function routes(prefixes: Readonly<Partial<Record<UpstreamName, string>>>, behaviours: readonly Behaviour[]): Record<string, unknown> {
  const named: Record<string, unknown> = {};
  for (const [dialect, prefix] of Object.entries(prefixes)) {
    for (const behaviour of behaviours) {
      const route = { candidates: [`${prefix}${behaviour}`] };
      named[model(dialect as UpstreamName, behaviour)] = route;
      named[codexModel(dialect as UpstreamName, behaviour)] = route;
    }
  }
  named[EMBEDDING_MODEL] = { candidates: [`${prefixes.openai}embed`] };
  return named;
}

/** The tools that a case offers: each answers with a sentence that must come back to the upstream, and from it to us. */
export const TOOLS = {
  get_weather: { description: "The weather of a city", answer: (city: string) => `It rains in ${city}.` },
  get_time: { description: "The time in a city", answer: (city: string) => `It is noon in ${city}.` },
} as const;
export type ToolName = keyof typeof TOOLS;
export const CITY_SCHEMA = { type: "object" as const, properties: { city: { type: "string" as const } }, required: ["city"], additionalProperties: false };

/** Notes what was called, and answers as the tool would. */
export class Toolbox {
  readonly called: { readonly name: ToolName; readonly city: string }[] = [];

  run(name: ToolName, args: { readonly city: string }): string {
    assert.equal(typeof args.city, "string", "the arguments do not fit the tool's schema");
    assert.notEqual(args.city, "");
    this.called.push({ name, city: args.city });
    return TOOLS[name].answer(args.city);
  }

  /** Asserts that each of these was called once, and that the final text speaks of what the last of them said. */
  check(names: readonly ToolName[], finalText: string | null | undefined, calls: readonly UpstreamCall[]): void {
    assert.deepEqual(this.called.map((one) => one.name).toSorted(), names.toSorted());
    const said = this.called.map((one) => TOOLS[one.name].answer(one.city));
    const told = calls.at(-1)?.body ?? "";
    for (const sentence of said) assert.ok(told.includes(sentence), `the upstream was not told ${sentence} in ${told}`);
    assert.ok(said.some((sentence) => finalText?.includes(sentence)), `${finalText} does not tell of any of ${said.join(" ")}`);
  }
}
