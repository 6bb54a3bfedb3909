/** Credentials of providers: a team's own, or the organisation's. Sealed at rest, never shown again. */
import { z } from "zod";
import { asString, type JsonObject } from "../../wire/json.ts";
import type { Vault } from "../seal.ts";
import type { FieldProblem, Kind, StoredObject } from "../types.ts";
import { ADMINS } from "./access.ts";
import { line, maybe, missing, objectSchema, reference, type Reads } from "./fields.ts";

export const CREDENTIAL_USES = ["only", "first", "last"] as const;
export type CredentialUse = (typeof CREDENTIAL_USES)[number];

/** What a secret was given for; a change of any of these clears it. */
const BOUND_TO = ["account", "base_url", "team"] as const;
const address = "an https address by name, without user, query or fragment; addresses within one's own network stand in spillway.yaml";

/** The kind; its secrets are sealed by `vault`. */
export function credentialKind(vault: Vault): Kind {
  return {
    name: "credential",
    plural: "credentials",
    description: "A key at a provider. With a team it serves that team alone, in place of the organisation's, before it or after it.",
    schema: objectSchema(
      z.strictObject({
        name: maybe(line("What people call it")),
        account: reference("Name of the configured account that it is for"),
        team: maybe(reference("Id of the team that it serves; it then serves nobody else")),
        api_key: maybe(line("The key; stored sealed, never shown", 8_192)),
        base_url: maybe(line("Address in place of the account's", 2_048).refine(isAddress, { error: address })),
        use: maybe(z.enum(CREDENTIAL_USES, { error: "only, first or last" }).describe("only: never the organisation's (default); first: this, then the organisation's; last: the other way round")),
        disabled: maybe(z.boolean({ error: "true or false" })),
        note: maybe(line("A note", 2_000)),
      }),
    ),
    check,
    seal: (sent, before, { id, tenant }) => {
      const { api_key: apiKey, ...rest } = sent;
      const place = { tenant, kind: "credential", id };
      if (typeof apiKey === "string") return { body: { ...rest, sealed: vault.seal(place, apiKey) } };
      // A secret goes where it was given for and serves whom it was given by, nobody else.
      const sealed = before !== undefined && BOUND_TO.every((field) => before.body[field] === rest[field]) ? before.body["sealed"] : undefined;
      return { body: sealed === undefined ? rest : { ...rest, sealed } };
    },
    made: ["sealed"],
    show: ({ body }) => ({ ...Object.fromEntries(Object.entries(body).filter(([field]) => field !== "sealed")), has_secret: typeof body["sealed"] === "string" }),
    needs: ({ team }) => (typeof team === "string" ? [{ kind: "team", id: team }] : []),
    access: { create: ADMINS, read: ADMINS, update: ADMINS, delete: ADMINS },
    fields: { base_url: { write: ["owner"] } },
  };
}

function check(body: JsonObject, id: string, store: Reads): readonly FieldProblem[] {
  const problems = [...missing(body, "team", "team", store)];
  const { team, use } = body;
  const account = asString(body["account"]) ?? "";
  if (store.get("configured", "*") !== undefined && store.get("configured", `provider/${account}`) === undefined) {
    problems.push({ field: "account", message: `no account ${account} is configured` });
  } else if (store.get("configured", "*") !== undefined && store.get("configured", `keyed/${account}`) === undefined) {
    problems.push({ field: "account", message: `the account ${account} is not called by a key` });
  }
  if (typeof team !== "string" && typeof use === "string") problems.push({ field: "use", message: "says how a team's own credential stands beside the organisation's; this one names no team" });
  for (const other of store.all("credential")) {
    if (other.id !== id && other.body["account"] === account && other.body["team"] === team) {
      problems.push({ field: "account", message: `the credential ${other.id} is for this account${typeof team === "string" ? " and team" : ""} already` });
    }
  }
  return problems;
}

/** What a process that has joined another knows of the credentials there: that they are, and for whom. */
export const OWN_ELSEWHERE = "own_elsewhere";

/**
 * Who calls which account by a credential of its own, without any secret: whoever has this and not the credential must not send the
 * team's calls by the organisation's in its place, unless the team says so, nor the organisation's by another's.
 */
export function ownElsewhere(credentials: Iterable<StoredObject>): readonly StoredObject[] {
  return [...credentials].flatMap((object) => {
    const { account, team, use, sealed, disabled } = object.body;
    // The organisation's stands in place of the account's key only while it can be used; a team's is what it says in any case.
    if (typeof account !== "string" || (team === undefined && (sealed === undefined || disabled === true))) return [];
    const body = { account, ...(team === undefined ? {} : { team }), ...(use === undefined ? {} : { use }) };
    return [{ ...object, kind: OWN_ELSEWHERE, id: placeOf(object), body }];
  });
}

/** Whom a credential serves with which account: of each there is one at most. */
export function placeOf({ tenant, body }: Pick<StoredObject, "tenant" | "body">): string {
  return `${tenant}/${asString(body["account"]) ?? ""}/${asString(body["team"]) ?? ""}`;
}

/** A key goes there, so no tricks in the address, and no way into one's own network. */
function isAddress(text: string): boolean {
  try {
    const url = new URL(text);
    const plain = url.username === "" && url.password === "" && url.search === "" && url.hash === "";
    return plain && url.protocol === "https:" && /^(?!\d+(?:\.\d+)*$)[a-z0-9-]+(?:\.[a-z0-9-]+)+$/.test(url.hostname) && !/\.(?:local|internal|localhost)$/.test(url.hostname);
  } catch {
    // No address.
    return false;
  }
}
