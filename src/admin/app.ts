/**
 * The admin API as an application: the matched route decides who may take it, never a header or the text of the path.
 * Hono finds the route; nothing else is left to it.
 */
import { Hono, type Context } from "hono";
import { isObject, type Json, type JsonObject } from "../wire/json.ts";
import type { Who } from "./access.ts";
import { AdminProblem, problemAnswer, type AdminActor, type AdminAnswer, type AdminRoute } from "./types.ts";

export interface AppSettings {
  readonly routes: readonly AdminRoute[];
  readonly access: ReadonlyMap<string, readonly Who[]>;
  /** Whoever an `authorization` header shows; null for nobody. */
  readonly identify: (authorization: string | undefined) => AdminActor | null;
  readonly organisationExists: (id: string) => boolean;
  readonly onCrash: (path: string, error: unknown) => void;
}

const BODY_MAX_BYTES = 1 << 20;
const DISCARD_MAX_BYTES = 16 << 20;
const HEADERS: Readonly<Record<string, string>> = {
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
};
const NOBODY: AdminActor = { id: "nobody", tenant: "", role: "key", member: null, teams: [], caller: null };
/** Parameters that every route has. */
export const ORGANISATION = { name: "organisation", description: "Act within this organisation; for owners of the organisation default, which runs the place" } as const;

/** The application. Throws where a route has no rule, or a rule no route. */
export function adminApp(settings: AppSettings): Hono {
  const app = new Hono({ strict: true });
  const ruled = new Set<string>();
  for (const route of settings.routes) {
    const name = `${route.method} ${route.path}`;
    const who = settings.access.get(name);
    if (who === undefined) throw new Error(`${name} has no rule in access.ts`);
    ruled.add(name);
    app.on(route.method, route.path, (context) => answered(settings, route, who, context));
  }
  for (const name of settings.access.keys()) if (!ruled.has(name)) throw new Error(`${name} has a rule and is no route`);
  app.notFound((context) => responseOf(problemAnswer(missing(settings.routes, context.req.path))));
  app.onError((error, context) => {
    settings.onCrash(context.req.path, error);
    return responseOf(problemAnswer(new AdminProblem(500, "internal", "Something went wrong here; the log says more.")));
  });
  return app;
}

async function answered(settings: AppSettings, route: AdminRoute, who: readonly Who[], context: Context): Promise<Response> {
  try {
    const actor = who.includes("anyone") ? NOBODY : actorOf(settings, who, context);
    const query = new URL(context.req.url).searchParams;
    const tenant = tenantOf(settings, actor, query);
    const body = route.method === "GET" || route.method === "DELETE" ? {} : await bodyOf(context);
    return responseOf(await route.run({ actor, tenant, params: context.req.param(), query, body, ifMatch: context.req.header("if-match") }));
  } catch (error) {
    if (!(error instanceof AdminProblem)) throw error;
    return responseOf(problemAnswer(error));
  }
}

function actorOf(settings: AppSettings, who: readonly Who[], context: Context): AdminActor {
  const authorization = context.req.header("authorization");
  const actor = settings.identify(authorization);
  // Whatever is wrong with one that was sent, the words are the same.
  if (actor === null && authorization !== undefined) throw new AdminProblem(401, "unauthorized", "This token is not valid here. It is sent as Authorization: Bearer <token>; spillway token rotate makes a new one.");
  if (actor === null) throw new AdminProblem(401, "unauthorized", "A token is needed: Authorization: Bearer <token>.");
  if (!who.includes(actor.role)) throw new AdminProblem(403, "forbidden", `This is for ${who.join(", ")}; you are ${actor.role}.`);
  return actor;
}

/** Whose objects are meant. What does not exist and what is not open to somebody are told apart for nobody. */
function tenantOf(settings: AppSettings, actor: AdminActor, query: URLSearchParams): string {
  const asked = query.get(ORGANISATION.name);
  query.delete(ORGANISATION.name);
  if (asked === null || asked === actor.tenant) return actor.tenant;
  if (actor.tenant !== "default" || actor.role !== "owner") throw new AdminProblem(403, "forbidden", "Only owners of the organisation default act within others.");
  if (!settings.organisationExists(asked)) throw new AdminProblem(404, "not_found", `There is no organisation ${asked}.`);
  return asked;
}

async function bodyOf(context: Context): Promise<JsonObject> {
  const text = await textOf(context.req.raw.body);
  if (text === "") return {};
  // A web page cannot send this without asking first, and is then refused.
  if (!/^application\/json\b/i.test(context.req.header("content-type") ?? "")) throw new AdminProblem(415, "unsupported_media_type", "Send JSON, with content-type: application/json.");
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch (error) {
    // Of the parser's words the place alone: the rest repeats what was sent, which may be a secret.
    const place = /at position \d+/.exec(error instanceof Error ? error.message : "")?.[0];
    throw new AdminProblem(400, "invalid", `The body is no JSON${place === undefined ? "" : `, ${place}`}.`);
  }
  if (!isObject(value)) throw new AdminProblem(400, "invalid", "The body must be a JSON object.");
  return value;
}

/** All of a body, as far as it may be long. */
async function textOf(body: ReadableStream<Uint8Array> | null): Promise<string> {
  if (body === null) return "";
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of body) {
    bytes += part.byteLength;
    // Read on for a while: a client that is still sending does not hear us.
    if (bytes > DISCARD_MAX_BYTES) break;
    if (bytes <= BODY_MAX_BYTES) parts.push(part);
  }
  if (bytes > BODY_MAX_BYTES) throw new AdminProblem(413, "body_too_large", `A body has at most ${BODY_MAX_BYTES} bytes.`);
  return Buffer.concat(parts).toString();
}

/** Nothing is there, or not by this method. */
function missing(routes: readonly AdminRoute[], path: string): AdminProblem {
  const methods = routes.filter((route) => patternOf(route.path).test(path)).map(({ method }) => method);
  if (methods.length === 0) return new AdminProblem(404, "not_found", "There is nothing here; /admin/v1/docs says what there is.");
  return new AdminProblem(405, "method_not_allowed", `Here only ${methods.join(", ")}.`);
}

function patternOf(path: string): RegExp {
  return new RegExp(`^${path.replace(/[.]/g, "\\.").replace(/:\w+/g, "[^/]+")}$`);
}

function responseOf(answer: AdminAnswer): Response {
  const headers = { ...HEADERS, ...answer.headers };
  if (answer.kind === "json") {
    const more = answer.status === 401 ? { "www-authenticate": "Bearer" } : {};
    return new Response(`${JSON.stringify(answer.body)}\n`, { status: answer.status, headers: { ...headers, ...more, "content-type": "application/json" } });
  }
  if (answer.status === 204) return new Response(null, { status: 204, headers });
  return new Response(streamOf(answer.parts), { status: answer.status, headers: { ...headers, "content-type": answer.type } });
}

/** Parts are taken as fast as they are read; who leaves ends them. */
function streamOf(parts: AsyncIterable<string> | Iterable<string>): ReadableStream<Uint8Array> {
  const iterator = Symbol.asyncIterator in parts ? parts[Symbol.asyncIterator]() : parts[Symbol.iterator]();
  const encoder = new TextEncoder();
  return new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      const next = await iterator.next();
      if (next.done === true) controller.close();
      else controller.enqueue(encoder.encode(next.value));
    },
    cancel: async () => {
      await iterator.return?.();
    },
  });
}
