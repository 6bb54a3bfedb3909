/**
 * What processes that joined this one ask of it: slices of budgets, and the managed objects that say who may call. One token
 * for all of them, given to both sides by their environment; without it nothing of this is served.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { z } from "zod";
import { OWN_ELSEWHERE, ownElsewhere } from "../control/kinds/credential.ts";
import type { ControlStore, StoredObject } from "../control/types.ts";
import type { SliceReply, SliceReport } from "../decide/budget/slices.ts";
import type { Budget } from "../decide/budget/types.ts";

export const AUTHORITY_PATH = "/admin/v1/authority/";
const BODY_BYTES_MAX = 4 << 20;

/** Kinds of objects that joined processes need. Credentials are sealed with this folder's key and stay here. */
const SHARED_KINDS: readonly string[] = ["organisation", "team", "project", "member", "key", "budget", "limit", "price", "contract"];
/** Kinds of what joined processes have a copy of: those, and who calls which account by a credential of its own. */
export const COPIED_KINDS: readonly string[] = [...SHARED_KINDS, OWN_ELSEWHERE];

export interface AuthorityParts {
  readonly token: string;
  /** Answers are written down before they come back. */
  readonly answer: (reports: readonly SliceReport[]) => readonly SliceReply[];
  readonly store: Pick<ControlStore, "all" | "onChange">;
  /** Those of the configuration. Another list where they changed. */
  readonly budgets: () => readonly Budget[];
  /** Different after each start. */
  readonly boot: string;
}

const amount = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const name = z.string().min(1).max(2_000);
const REPORTS = z.strictObject({
  reports: z
    .array(
      z.strictObject({
        joiner: name,
        epoch: z.number().int(),
        sequence: amount,
        identity: name,
        budgetId: name,
        periodKey: z.string().min(1).max(20),
        settledNanoUsd: z.number().int().max(Number.MAX_SAFE_INTEGER),
        overrunNanoUsd: amount,
        returnedNanoUsd: amount,
        heldNanoUsd: amount,
        leastGrantedNanoUsd: z.number().int().max(Number.MAX_SAFE_INTEGER),
        wantedGrantedNanoUsd: z.number().int().max(Number.MAX_SAFE_INTEGER),
      }),
    )
    .max(10_000),
});

const BUDGETS = z.array(
  z.object({
    id: name, scopes: z.array(name).min(1), period: z.enum(["request", "day", "week", "month", "total"]), timeZone: name, limitNanoUsd: amount, kind: z.enum(["hard", "soft"]),
    alertsAtPermille: z.array(z.number()), cheaperFromPermille: z.number().nullable(),
  }),
);

/** Budgets as an authority tells them; null: these are none. */
export function readBudgets(told: unknown): readonly Budget[] | null {
  const read = BUDGETS.safeParse(told);
  return read.success ? read.data : null;
}

/** Serves what is below `AUTHORITY_PATH`. */
export function authorityApi(parts: AuthorityParts): (request: Request) => Promise<Response> {
  const expected = digest(parts.token);
  let changes = 0;
  let told: readonly Budget[] = parts.budgets();
  parts.store.onChange((changed) => {
    if (changed.some(({ kind }) => kind === "credential" || SHARED_KINDS.includes(kind))) changes += 1;
  });
  return async (request) => {
    const shown = /^Bearer (\S+)$/.exec(request.headers.get("authorization") ?? "")?.[1] ?? "";
    if (!timingSafeEqual(digest(shown), expected)) return json(401, { error: { code: "invalid_token", message: "This is not the token that joined processes have: both sides take it from SPILLWAY_AUTHORITY_TOKEN." } });
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === `${AUTHORITY_PATH}state` && request.method === "GET") {
      const budgets = parts.budgets();
      if (budgets !== told) changes += 1;
      told = budgets;
      const version = `${parts.boot}-${changes}`;
      if (searchParams.get("known") === version) return new Response(null, { status: 204 });
      return json(200, { version, objects: shared(parts.store), budgets });
    }
    if (pathname === `${AUTHORITY_PATH}reports` && request.method === "POST") return answer(request, parts);
    return json(404, { error: { code: "not_found", message: "There is nothing here." } });
  };
}

async function answer(request: Request, parts: AuthorityParts): Promise<Response> {
  const text = await request.text();
  if (text.length > BODY_BYTES_MAX) return json(413, { error: { code: "body_too_large", message: "Fewer reports at once." } });
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    body = null;
  }
  const read = REPORTS.safeParse(body);
  if (!read.success) return json(400, { error: { code: "invalid_body", message: z.prettifyError(read.error).slice(0, 500) } });
  return json(200, { replies: parts.answer(read.data.reports) });
}

function shared(store: Pick<ControlStore, "all">): readonly StoredObject[] {
  return [...SHARED_KINDS.flatMap((kind) => [...store.all(kind)]), ...ownElsewhere(store.all("credential"))];
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

function json(status: number, body: unknown): Response {
  return new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json", "cache-control": "no-store" } });
}
