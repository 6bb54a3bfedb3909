/** Keys of callers. The key itself is shown once; what is kept is its hash. */
import { z } from "zod";
import { asString, type Json, type JsonObject } from "../../wire/json.ts";
import { hashOfKey, newKeyText, shownPart } from "../seal.ts";
import type { FieldProblem, Kind, Sealed, StoredObject } from "../types.ts";
import { EVERYBODY, ADMINS } from "./access.ts";
import { dollars, importance, instant, line, listOf, maybe, missing, objectSchema, PATTERN, reference, texts, whole, type Reads } from "./fields.ts";

/** One secret of a key: by its hash. `untilMs`: after a rotation, when it ends; null: while the key does. */
export interface KeySecret {
  readonly hash: string;
  /** `spw_acme_x1y2`. */
  readonly prefix: string;
  readonly untilMs: number | null;
}

const GRACE_MS = 86_400_000;
const GRACE_MAX_S = 30 * 86_400;
/** Every rotation within a grace adds one. */
const SECRETS_MAX = 5;
const DEVELOPERS = [...ADMINS, "developer"] as const;

const region = line("A region such as eu, us or eu-central-1", 64).refine((value) => /^[a-z0-9-]+$/.test(value), { error: "a region such as eu, us or eu-central-1" });
const field = line("A field of a body", 64).refine((value) => /^(?:user|safety_identifier|metadata\.[\w-]{1,40})$/.test(value), { error: "user, safety_identifier or metadata.<name>" });

export const key: Kind = {
  name: "key",
  plural: "keys",
  description: "What a caller shows. Its secret is shown when it is made or rotated, and never again.",
  schema: objectSchema(
    z.strictObject({
      name: maybe(line("What people call it")),
      team: maybe(reference("Id of the team that pays")),
      project: maybe(reference("Id of the project that pays, and with it its team")),
      member: maybe(reference("Id of the person who uses it")),
      routes: maybe(texts(PATTERN, "Names that it may put in `model`: routes, aliases and models; all where absent")),
      models: maybe(texts(PATTERN, "Models that may answer it, by canonical name, upstream name or account/model; all where absent")),
      residency: maybe(texts(region, "Regions in which its requests may be processed; anywhere where absent")),
      expires_at: maybe(instant("From when on it is no key any more")),
      disabled: maybe(z.boolean({ error: "true or false" }).describe("Refused like an unknown one, from the next request on")),
      tag_fields: maybe(texts(field, "Fields of a body that are tags, besides x-spillway-tag-* headers", 10)),
      expose: maybe(z.enum(["none", "id", "id+cost"], { error: "none, id or id+cost" }).describe("What answers tell in their headers: nothing, the deployment, or its cost too (default)")),
      max_request_usd: maybe(dollars("Most that one request may cost with all its attempts")),
      default_max_output: maybe(whole("Output limit where a hard limit applies and the client asks none", 1)),
      importance: maybe(importance("its")),
      note: maybe(line("A note", 2_000)),
    }),
  ),
  check,
  seal: (sent, before, { tenant }) => {
    if (before !== undefined) return { body: { ...sent, secrets: before.body["secrets"] ?? [] } };
    const made = newKeyText(tenant);
    return { body: { ...sent, secrets: [kept(made, null)] }, once: { key: made } };
  },
  made: ["secrets"],
  show: ({ body }) => ({ ...body, secrets: secretsOf(body).map(({ prefix, untilMs }) => ({ prefix, until: untilMs === null ? null : new Date(untilMs).toISOString() })) }),
  needs: (body) => (["team", "project", "member"] as const).flatMap((kind) => (typeof body[kind] === "string" ? [{ kind, id: body[kind] }] : [])),
  actions: {
    rotate: {
      description: "Make a second secret, valid at once; the old ones are valid for `grace_seconds` more (a day).",
      schema: objectSchema(z.strictObject({ grace_seconds: maybe(whole("How long the old secret is still valid", 0, GRACE_MAX_S)) })),
      run: rotate,
    },
    disable: {
      description: "Refuse it from the next request on, like an unknown one.",
      schema: objectSchema(z.strictObject({})),
      run: ({ body }) => ({ body: { ...body, disabled: true } }),
    },
    enable: {
      description: "Take it again.",
      schema: objectSchema(z.strictObject({})),
      run: ({ body }) => ({ body: { ...body, disabled: false } }),
    },
  },
  // Whoever is held to little by a key should not lift that himself.
  fields: { importance: { write: ADMINS } },
  access: { create: DEVELOPERS, read: EVERYBODY, update: DEVELOPERS, delete: DEVELOPERS },
};

/** A new secret beside the old ones, which end with the grace. */
function rotate(object: StoredObject, sent: JsonObject, nowMs: number): Sealed {
  const graceMs = typeof sent["grace_seconds"] === "number" ? sent["grace_seconds"] * 1_000 : GRACE_MS;
  const untilMs = nowMs + graceMs;
  const old = secretsOf(object.body)
    .filter((secret) => secret.untilMs === null || secret.untilMs > nowMs)
    .map((secret) => ({ ...secret, untilMs: Math.min(secret.untilMs ?? untilMs, untilMs) }))
    .filter((secret) => secret.untilMs > nowMs);
  const made = newKeyText(object.tenant);
  const secrets = [kept(made, null), ...old.slice(0, SECRETS_MAX - 1).map(({ hash, prefix, untilMs: until }) => ({ hash, prefix, until_ms: until }))];
  return { body: { ...object.body, secrets }, once: { key: made } };
}

/** What is stored of a secret. */
function kept(made: string, untilMs: number | null): Json {
  return { hash: hashOfKey(made), prefix: shownPart(made), until_ms: untilMs };
}

/** The secrets of a stored key. */
export function secretsOf(body: JsonObject): readonly KeySecret[] {
  const list = body["secrets"];
  if (!Array.isArray(list)) return [];
  return (list as readonly JsonObject[]).map((one) => ({ hash: asString(one["hash"]) ?? "", prefix: asString(one["prefix"]) ?? "", untilMs: typeof one["until_ms"] === "number" ? one["until_ms"] : null }));
}

function check(body: JsonObject, _id: string, store: Reads): readonly FieldProblem[] {
  const problems = [...missing(body, "team", "team", store), ...missing(body, "project", "project", store), ...missing(body, "member", "member", store)];
  const { team, project } = body;
  const ofProject = typeof project === "string" ? store.get("project", project)?.body["team"] : undefined;
  if (typeof team === "string" && typeof project === "string" && problems.length === 0 && ofProject !== team) {
    problems.push({ field: "team", message: typeof ofProject === "string" ? `the project ${project} belongs to team ${ofProject}` : `the project ${project} belongs to no team` });
  }
  for (const field of ["routes", "models", "residency"]) {
    if (listOf(body[field])?.length === 0) problems.push({ field, message: "an empty list allows nothing; leave it out for all, or disable the key" });
  }
  return problems;
}
