/** A team of an organisation. */
import { z } from "zod";
import type { Kind } from "../types.ts";
import { STRUCTURE } from "./access.ts";
import { importance, line, maybe, objectSchema } from "./fields.ts";

export const team: Kind = {
  name: "team",
  plural: "teams",
  description: "A team of the organisation; projects and keys may belong to one.",
  schema: objectSchema(z.strictObject({ name: line("What people call it"), importance: maybe(importance("its keys'")), note: maybe(line("A note", 2_000)) })),
  check: () => [],
  access: STRUCTURE,
};
