/** A person. Keys may name one, so that spending is seen by person beside team and project. */
import { z } from "zod";
import { asString, type Json, type JsonObject } from "../../wire/json.ts";
import { hashOfKey, newTokenText } from "../seal.ts";
import type { Kind } from "../types.ts";
import { STRUCTURE } from "./access.ts";
import { line, listOf, maybe, objectSchema, reference, texts } from "./fields.ts";

/** Tokens of one person at once: the oldest goes. */
const TOKENS_MAX = 5;
/** Enough of a token to tell it from others. */
const SHOWN_CHARACTERS = 8;

export const ROLES = ["owner", "admin", "billing", "developer", "viewer"] as const;

export const member: Kind = {
  name: "member",
  plural: "members",
  description: "A person with a role. A key may name one, beside its team and project.",
  schema: objectSchema(
    z.strictObject({
      name: line("The person's name"),
      email: maybe(z.email({ error: "an e-mail address" }).max(254).describe("Where mail for this person goes")),
      role: maybe(z.enum(ROLES, { error: ROLES.join(", ") }).describe("What the person may do; viewer where absent")),
      teams: maybe(texts(reference("A team's id"), "Teams that the person belongs to")),
      note: maybe(line("A note", 2_000)),
    }),
  ),
  check: ({ teams }, _id, store) => (listOf(teams) ?? []).flatMap((id, i) => (store.get("team", id) === undefined ? [{ field: `teams[${i}]`, message: `there is no team ${id}` }] : [])),
  seal: (sent, before) => {
    const tokens = before?.body["tokens"];
    return { body: { ...sent, role: sent["role"] ?? "viewer", ...(tokens === undefined ? {} : { tokens }) } };
  },
  made: ["tokens"],
  show: ({ body }) => ({ ...body, tokens: memberTokens(body).map(({ prefix, madeMs }) => ({ prefix, created_at: new Date(madeMs).toISOString() })) }),
  actions: {
    token: {
      description: "Make a token for the admin API, with the rights of this person's role. It is shown once; five are valid at once, then the oldest ends.",
      schema: objectSchema(z.strictObject({})),
      run: ({ body }, _sent, nowMs) => {
        const made = newTokenText();
        const kept: Json = { hash: hashOfKey(made), prefix: made.slice(0, SHOWN_CHARACTERS), made_ms: nowMs };
        return { body: { ...body, tokens: [...(Array.isArray(body["tokens"]) ? (body["tokens"] as readonly Json[]) : []), kept].slice(-TOKENS_MAX) }, once: { token: made } };
      },
    },
    "revoke-tokens": {
      description: "End all tokens of this person, at once.",
      schema: objectSchema(z.strictObject({})),
      run: ({ body }) => ({ body: Object.fromEntries(Object.entries(body).filter(([field]) => field !== "tokens")) }),
    },
  },
  needs: ({ teams }) => (listOf(teams) ?? []).map((id) => ({ kind: "team", id })),
  access: STRUCTURE,
  // Nobody makes himself, or a friend, more than he is.
  fields: { role: { write: ["owner"] } },
};

/** A token of a person: by its hash. */
export interface MemberToken {
  readonly hash: string;
  /** `spa_x1y2`. */
  readonly prefix: string;
  readonly madeMs: number;
}

/** The tokens of a stored person. */
export function memberTokens(body: JsonObject): readonly MemberToken[] {
  const list = body["tokens"];
  if (!Array.isArray(list)) return [];
  return (list as readonly JsonObject[]).map((one) => ({ hash: asString(one["hash"]) ?? "", prefix: asString(one["prefix"]) ?? "", madeMs: typeof one["made_ms"] === "number" ? one["made_ms"] : 0 }));
}
