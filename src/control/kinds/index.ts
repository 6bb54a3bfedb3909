/** All kinds of objects that operators manage. */
import { NO_VAULT, type Vault } from "../seal.ts";
import type { Kind, StoredObject } from "../types.ts";
import type { JsonObject } from "../../wire/json.ts";
import { budget } from "./budget.ts";
import { channelKind } from "./channel.ts";
import { contract } from "./contract.ts";
import { credentialKind } from "./credential.ts";
import { key } from "./key.ts";
import { limit } from "./limit.ts";
import { member } from "./member.ts";
import { organisation } from "./organisation.ts";
import { price } from "./price.ts";
import { project } from "./project.ts";
import { team } from "./team.ts";

/** Kinds that seal nothing. */
const PLAIN: readonly Kind[] = [organisation, team, project, member, key, budget, limit, price, contract];

/** All kinds, in the order in which they build on each other; what has to be sealed is sealed by `vault`. */
export function kindsWith(vault: Vault): ReadonlyMap<string, Kind> {
  return new Map([...PLAIN, credentialKind(vault), channelKind(vault)].map((kind) => [kind.name, kind]));
}

/** The kinds as they are described. To take credentials, use `kindsWith`. */
export const KINDS: ReadonlyMap<string, Kind> = kindsWith(NO_VAULT);

/** A run of adjustments, as it is noted: nobody makes or changes one by hand. Its figures are for whoever reads the audit log. */
export const ADJUSTMENT = "adjustment";

/** What of a stored object may be seen: by its kind, and nothing of an unknown one. */
export function shownOf(object: StoredObject): JsonObject {
  if (object.kind === ADJUSTMENT) return object.body;
  const kind = KINDS.get(object.kind);
  return kind === undefined ? {} : (kind.show?.(object) ?? object.body);
}
