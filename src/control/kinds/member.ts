/** A person. Keys may name one, so that spending is seen by person beside team and project. */
import { z } from "zod";
import type { Kind } from "../types.ts";
import { STRUCTURE } from "./access.ts";
import { line, listOf, maybe, objectSchema, reference, texts } from "./fields.ts";

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
  seal: (sent) => ({ body: { ...sent, role: sent["role"] ?? "viewer" } }),
  needs: ({ teams }) => (listOf(teams) ?? []).map((id) => ({ kind: "team", id })),
  access: STRUCTURE,
  // Nobody makes himself, or a friend, more than he is.
  fields: { role: { write: ["owner"] } },
};
