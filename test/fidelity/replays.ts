/** Reasoning state over two turns: what one answer brought, the client gives back in the next request, as it kept it. */
import type { Target } from "../../src/providers/dialects/dialect.ts";
import type { DialectId } from "../../src/wire/facts.ts";
import type { JsonObject } from "../../src/wire/json.ts";
import { deliver } from "./answers.ts";
import type { RequestFeature } from "./features.ts";
import { Gateway, type Outcome } from "./gateway.ts";
import { askingFor, isInside, REDACTED_TURN, SIGNED_TURN, written } from "./judge-answers.ts";
import { ANSWER, TOOL } from "./marks.ts";
import { judgeBody, refusalOf, type Found } from "./requests.ts";
import type { SurfaceSpec } from "./surfaces/spec.ts";
import { targetFor } from "./targets.ts";
import { PLACES } from "./upstreams/index.ts";

/** Makers of signed state, by the dialect that they speak; two of them serve the models of one. */
const MAKERS = ["openai-responses", "anthropic-messages", "gemini"] as const satisfies readonly DialectId[];
const SAME_MAKER: Readonly<Partial<Record<DialectId, DialectId>>> = { "bedrock-converse": "anthropic-messages" };

/** Which maker's state a feature replays at a dialect. */
function makersFor(key: RequestFeature, dialect: DialectId): readonly DialectId[] {
  if (key !== "foreign-state") return [dialect];
  const own = SAME_MAKER[dialect] ?? dialect;
  return MAKERS.filter((maker) => maker !== own);
}

/** Judge a feature of replays: over every maker, from a whole answer and from a stream. All must come to the same. */
export async function judgeReplay(key: RequestFeature, spec: SurfaceSpec, dialect: DialectId, target: Target): Promise<Found> {
  const found = new Map<string, string>();
  const said = new Set<string>();
  for (const maker of makersFor(key, dialect)) {
    for (const stream of [false, true]) {
      const one = await replayOnce(key, spec, maker, dialect, target, stream);
      if (one === null) continue;
      found.set(`${maker}${stream ? " as a stream" : ""}`, one.word);
      for (const sentence of one.said) said.add(sentence);
    }
  }
  const words = new Set(found.values());
  const [word = "lost"] = words;
  return { word: words.size === 1 ? word : [...found].map(([where, what]) => `${what} (${where})`).join(", "), said: [...said] };
}

/** null: the client was never shown the state, or keeps no member of that name, so that there is nothing to give back. */
async function replayOnce(key: RequestFeature, spec: SurfaceSpec, maker: DialectId, dialect: DialectId, target: Target, stream: boolean): Promise<Found | null> {
  if (spec.replay === undefined) throw new Error(`${spec.surface} has no turns`);
  const gateway = new Gateway();
  const made = targetFor(maker, "effort");
  if (made === null) throw new Error(`${maker} has no model that reasons`);
  const turn = key === "redacted-replay" ? REDACTED_TURN : SIGNED_TURN;
  const first = await deliver(gateway, spec.surface, askingFor(null, spec), made, written(turn, maker), stream);
  const next = spec.replay(first.answer);
  if (key === "foreign-state" && !isInside(next, ANSWER.signature)) return null;
  const outcome = await gateway.ask(spec.surface, next, target, written({ choices: [[{ kind: "text", text: ANSWER.text }]], finish: "stop" }, dialect));
  const refusal = refusalOf(key, outcome);
  if (refusal !== null) return refusal;
  const body = bodyWithCall(outcome, spec, dialect);
  if (key !== "foreign-state") return judgeBody(key, body, outcome.warnings, PLACES[dialect][key] ?? {});
  return judgeBody(key, body, outcome.warnings, { native: (one) => isInside(one, ANSWER.signature) });
}

/** The body, after a check that the visible part of the turn is still in it. */
function bodyWithCall({ sent: [body] }: Outcome, spec: SurfaceSpec, dialect: DialectId): JsonObject {
  if (body === undefined) throw new Error("nothing was sent");
  if (!isInside(body, TOOL.input.city)) throw new Error(`${spec.surface} over ${dialect}: the call itself is gone`);
  return body;
}
