/**
 * Channels for alerts: a signed webhook, an incoming webhook as Slack has them, or mail. Addresses of webhooks are secrets
 * (whoever knows one may post there), so they are sealed like passwords; of both only the host is shown.
 */
import { z } from "zod";
import { asString, type JsonObject } from "../../wire/json.ts";
import { NOTICE_KINDS, SEVERITIES, type Channel, type ChannelTarget, type NoticeKind, type Severity } from "../../wire/notice.ts";
import type { Vault } from "../seal.ts";
import type { FieldProblem, Kind, ObjectPlace, Sealed, StoredObject } from "../types.ts";
import { ADMINS } from "./access.ts";
import { line, listOf, maybe, objectSchema, SCOPE, texts, whole, type Reads } from "./fields.ts";

const TYPES = ["webhook", "slack", "smtp"] as const;
const TLS = ["starttls", "tls", "none"] as const;
type Type = (typeof TYPES)[number];

const PER_HOUR = 30;
const PORTS = { starttls: 587, tls: 465, none: 25 } as const;
/** Fields that a type has beside those of all. */
const FIELDS_OF: Readonly<Record<Type, readonly string[]>> = {
  webhook: ["url", "secret"],
  slack: ["url"],
  smtp: ["host", "port", "tls", "user", "password", "from", "to"],
};
/** Stored sealed, each under its own name. */
const SECRETS = ["url", "secret", "password"] as const;
type SecretField = (typeof SECRETS)[number];
const MADE: Readonly<Record<SecretField, string>> = { url: "sealed_url", secret: "sealed_secret", password: "sealed_password" };
/** What a password was given for; a change of any of these clears it. */
const PASSWORD_BOUND_TO = ["type", "host", "port", "tls", "user"] as const;

const address = z.string({ error: "an http or https URL" }).max(2_048, { error: "an http or https URL of at most 2048 characters" }).refine(isUrl, { error: "an http or https URL without user, password or fragment" });
const mailbox = line("An address such as ops@example.com", 254).refine((text) => /^[^\s<>@,;"]+@[^\s<>@,;"]+$/.test(text), { error: "an address such as ops@example.com" });

/** Fields of a channel, as they are sent. */
export const channelFields = {
  name: maybe(line("What people call it", 64)),
  type: z.enum(TYPES, { error: "webhook, slack or smtp" }).describe("webhook: JSON, signed; slack: an incoming webhook of Slack's form; smtp: mail"),
  url: maybe(address.describe("Address of a webhook; stored sealed, of which only the host is shown")),
  secret: maybe(line("What a webhook is signed with (HMAC-SHA256); stored sealed, never shown", 1_024)),
  host: maybe(line("Mail server", 253).refine((text) => /^[A-Za-z0-9.:-]+$/.test(text), { error: "the name of a mail server" })),
  port: maybe(whole("Its port; 587, with tls 465, without 25", 1, 65_535)),
  tls: maybe(z.enum(TLS, { error: "starttls, tls or none" }).describe("starttls: refused where the server does not offer it (default); tls: from the first byte; none: in clear, without password")),
  user: maybe(line("User at the mail server", 320)),
  password: maybe(line("The user's password; stored sealed, never shown", 1_024)),
  from: maybe(mailbox.describe("Sender of mail")),
  to: maybe(texts(mailbox, "Who gets the mail", 20)),
  kinds: maybe(texts(z.enum(NOTICE_KINDS, { error: NOTICE_KINDS.join(", ") }), "Only these kinds; all where absent", NOTICE_KINDS.length)),
  min_severity: maybe(z.enum(SEVERITIES, { error: SEVERITIES.join(", ") }).describe("Nothing less grave than this; info where absent")),
  scopes: maybe(texts(SCOPE, "Only what is about one of these", 50)),
  per_hour: maybe(whole(`Notices an hour (${PER_HOUR}); what is beyond is held back and counted in one line`, 1, 10_000)),
  disabled: maybe(z.boolean({ error: "true or false" }).describe("It takes nothing")),
};

/** The kind; its secrets are sealed by `vault`. */
export function channelKind(vault: Vault): Kind {
  return {
    name: "channel",
    plural: "channels",
    description: "Where alerts go: a signed webhook, an incoming webhook of Slack's form, or mail; with what it takes and how much an hour.",
    schema: objectSchema(z.strictObject(channelFields)),
    check,
    seal: (sent, before, place) => seal(vault, sent, before, place),
    made: Object.values(MADE).concat("shown_url"),
    show: ({ body }) => shown(body),
    access: { create: ADMINS, read: ADMINS, update: ADMINS, delete: ADMINS },
  };
}

function check(body: JsonObject, id: string, store: Reads): readonly FieldProblem[] {
  const before = store.get("channel", id)?.body;
  const type = body["type"] as Type;
  const has = (field: string): boolean => body[field] !== undefined || (before?.["type"] === type && isSecret(field) && before[MADE[field]] !== undefined);
  const problems: FieldProblem[] = [];
  for (const other of TYPES) {
    for (const field of FIELDS_OF[other]) {
      if (!FIELDS_OF[type].includes(field) && body[field] !== undefined) problems.push({ field, message: `a ${type} channel has no ${field}` });
    }
  }
  const wanted = type === "smtp" ? ["host", "from", "to"] : FIELDS_OF[type];
  for (const field of wanted) if (!has(field)) problems.push({ field, message: `a ${type} channel needs ${field}` });
  const { password, user, tls, host } = body;
  if (password !== undefined && user === undefined) problems.push({ field: "user", message: "goes with the password" });
  if (password !== undefined && tls === "none" && !isLoopback(asString(host) ?? "")) problems.push({ field: "tls", message: "a password goes over an encrypted connection only" });
  if (listOf(body["to"])?.length === 0) problems.push({ field: "to", message: "at least one address" });
  for (const field of ["kinds", "scopes"]) if (listOf(body[field])?.length === 0) problems.push({ field, message: "an empty list takes nothing; leave it out for all" });
  return dedupe(problems);
}

function seal(vault: Vault, sent: JsonObject, before: StoredObject | undefined, { id, tenant }: ObjectPlace): Sealed {
  const body: Record<string, JsonObject[string]> = { ...sent };
  const sameType = before !== undefined && before.body["type"] === sent["type"];
  for (const field of SECRETS) {
    const value = sent[field];
    delete body[field];
    if (typeof value === "string") {
      body[MADE[field]] = vault.seal(placeOf(tenant, id, field), value);
      if (field === "url") body["shown_url"] = new URL(value).host;
      continue;
    }
    const kept = before?.body[MADE[field]];
    const stays = sameType && (field !== "password" || PASSWORD_BOUND_TO.every((one) => before.body[one] === sent[one]));
    if (kept === undefined || !stays) continue;
    body[MADE[field]] = kept;
    if (field === "url") body["shown_url"] = before?.body["shown_url"] ?? "";
  }
  return { body };
}

function shown(body: JsonObject): JsonObject {
  const { shown_url: host, ...rest } = body;
  const open = Object.fromEntries(Object.entries(rest).filter(([field]) => !field.startsWith("sealed_")));
  return {
    ...open,
    ...(typeof host === "string" ? { url_host: host } : {}),
    has_secret: typeof body[MADE.secret] === "string" || typeof body[MADE.password] === "string",
  };
}

/** A stored channel, opened; null where it is disabled, or its secrets were sealed elsewhere. Guests of the place reach public addresses only. */
export function channelOf(object: Pick<StoredObject, "id" | "tenant" | "body">, vault: Vault): Channel | null {
  const { id, tenant, body } = object;
  if (body["disabled"] === true) return null;
  const open: Record<string, JsonObject[string]> = { ...body };
  for (const field of SECRETS) {
    const sealed = body[MADE[field]];
    if (typeof sealed !== "string") continue;
    const text = vault.open(placeOf(tenant, id, field), sealed);
    if (text === undefined) return null;
    open[field] = text;
  }
  return channelOfBody(id, open, { tenant, publicOnly: tenant !== "default" });
}

/** A channel of a body with its secrets in clear, as the configuration has them. Disabled ones are null. */
export function channelOfBody(id: string, body: JsonObject, whose: Pick<Channel, "tenant" | "publicOnly">): Channel | null {
  if (body["disabled"] === true) return null;
  const target = targetOf(body);
  return {
    id,
    name: asString(body["name"]) ?? id,
    type: target.type,
    host: target.type === "smtp" ? `${target.host}:${target.port}` : new URL(target.url).host,
    target: () => target,
    kinds: listOf(body["kinds"]) as readonly NoticeKind[] | null,
    minSeverity: (asString(body["min_severity"]) ?? "info") as Severity,
    scopes: listOf(body["scopes"]),
    perHour: typeof body["per_hour"] === "number" ? body["per_hour"] : PER_HOUR,
    ...whose,
  };
}

function targetOf(body: JsonObject): ChannelTarget {
  const textOf = (field: string): string => asString(body[field]) ?? "";
  switch (body["type"] as Type) {
    case "webhook":
      return { type: "webhook", url: textOf("url"), secret: textOf("secret") };
    case "slack":
      return { type: "slack", url: textOf("url") };
    case "smtp": {
      const tls = (asString(body["tls"]) ?? "starttls") as (typeof TLS)[number];
      const port = typeof body["port"] === "number" ? body["port"] : PORTS[tls];
      return { type: "smtp", host: textOf("host"), port, tls, user: asString(body["user"]) ?? null, password: asString(body["password"]) ?? null, from: textOf("from"), to: listOf(body["to"]) ?? [] };
    }
  }
}

function placeOf(tenant: string, id: string, field: SecretField): { readonly tenant: string; readonly kind: string; readonly id: string } {
  return { tenant, kind: `channel.${field}`, id };
}

function isSecret(field: string): field is SecretField {
  return (SECRETS as readonly string[]).includes(field);
}

function dedupe(problems: readonly FieldProblem[]): readonly FieldProblem[] {
  return [...new Map(problems.map((one) => [`${one.field} ${one.message}`, one])).values()];
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(?:\.\d{1,3}){3}$/.test(host);
}

function isUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  return (url.protocol === "https:" || url.protocol === "http:") && url.username === "" && url.password === "" && url.hash === "";
}
