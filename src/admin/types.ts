/** What the routes of the admin API are made of: who asks, what is asked, and what is answered. */
import type { z } from "zod";
import type { Actor, FieldProblem } from "../control/types.ts";
import type { Caller } from "../ports.ts";
import type { Json, JsonObject } from "../wire/json.ts";

/** Whoever showed a token, with what limits him beside his role. */
export interface AdminActor extends Actor {
  /** The member that he is; null: the administrator's own token, or a caller's key. */
  readonly member: string | null;
  /** Teams of the member. */
  readonly teams: readonly string[];
  /** Set where `role` is `key`: who calls with it. */
  readonly caller: Caller | null;
}

/** A request whose route is known and open to the actor. */
export interface AdminCall {
  readonly actor: AdminActor;
  /** The organisation whose objects are meant: the actor's, or one that he runs. */
  readonly tenant: string;
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** `{}` where none was sent. */
  readonly body: JsonObject;
  readonly ifMatch: string | undefined;
}

export type AdminAnswer =
  | { readonly kind: "json"; readonly status: number; readonly body: Json; readonly headers?: Readonly<Record<string, string>> }
  | { readonly kind: "text"; readonly status: number; readonly type: string; readonly parts: AsyncIterable<string> | Iterable<string>; readonly headers?: Readonly<Record<string, string>> };

export type Method = "GET" | "POST" | "PATCH" | "DELETE";

/** A parameter behind the `?`. */
export interface QueryParameter {
  readonly name: string;
  readonly description: string;
  readonly schema?: JsonObject;
}

/** One route. Who may take it is not said here but in `access.ts`: a route without a rule there is not served at all. */
export interface AdminRoute {
  readonly method: Method;
  /** `/admin/v1/keys/:id`. */
  readonly path: string;
  /** Its operationId. */
  readonly name: string;
  readonly tag: string;
  readonly summary: string;
  readonly query?: readonly QueryParameter[];
  /** What is sent; absent: nothing. */
  readonly body?: z.ZodType;
  readonly answers: RouteAnswers;
  readonly run: (call: AdminCall) => AdminAnswer | Promise<AdminAnswer>;
}

/** What a route answers where it is done. `schema`: a JSON Schema, or the name of one of the document's. */
export interface RouteAnswers {
  readonly status: number;
  readonly description: string;
  readonly schema?: JsonObject;
  readonly also?: readonly string[];
}

/** Something that cannot be answered as asked. */
export class AdminProblem extends Error {
  readonly status: number;
  readonly code: string;
  readonly problems: readonly FieldProblem[];

  constructor(status: number, code: string, message: string, problems: readonly FieldProblem[] = []) {
    super(message);
    this.status = status;
    this.code = code;
    this.problems = problems;
  }
}

/** The answer to a problem, in the one form that all have. */
export function problemAnswer({ status, code, message, problems }: AdminProblem): AdminAnswer {
  return { kind: "json", status, body: { error: { code, message, ...(problems.length === 0 ? {} : { problems: problems.map(({ field, message: text }) => ({ field, message: text })) }) } } };
}

/** An answer of 200. */
export function ok(body: Json): AdminAnswer {
  return { kind: "json", status: 200, body };
}
