/** An organisation: a tenant, to which everything belongs. `default` is there always. */
import { z } from "zod";
import type { Kind } from "../types.ts";
import { EVERYBODY } from "./access.ts";
import { line, maybe, objectSchema } from "./fields.ts";

export const organisation: Kind = {
  name: "organisation",
  plural: "organisations",
  description: "A tenant: everything belongs to one, and nothing of one is seen by another.",
  schema: objectSchema(z.strictObject({ name: line("What people call it"), note: maybe(line("A note", 2_000)) })),
  check: () => [],
  access: { create: ["owner"], read: EVERYBODY, update: ["owner"], delete: ["owner"] },
};
