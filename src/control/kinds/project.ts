/** A project, of a team or of the organisation itself. */
import { z } from "zod";
import type { Kind } from "../types.ts";
import { STRUCTURE } from "./access.ts";
import { line, maybe, missing, objectSchema, reference } from "./fields.ts";

export const project: Kind = {
  name: "project",
  plural: "projects",
  description: "A project, of a team or of the organisation itself; keys may belong to one.",
  schema: objectSchema(z.strictObject({ name: line("What people call it"), team: maybe(reference("Id of the team that it belongs to")), note: maybe(line("A note", 2_000)) })),
  check: (body, _id, store) => missing(body, "team", "team", store),
  needs: ({ team }) => (typeof team === "string" ? [{ kind: "team", id: team }] : []),
  access: STRUCTURE,
};
