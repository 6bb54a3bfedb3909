/**
 * Who may do what: one table of roles for every route. A route that is not in it is not served, and building the API fails;
 * rules of kinds are those that each kind states. Which fields of an object a role sees or changes stands with its kind.
 */
import { ADMINS, EVERYBODY, MONEY } from "../control/kinds/access.ts";
import type { Kind, Role } from "../control/types.ts";

/** `key`: a caller's own key. `anyone`: without a token, since nothing of the installation is told. */
export type Who = Role | "key" | "anyone";

const ANYONE: readonly Who[] = ["anyone"];
const ALSO_KEYS: readonly Who[] = [...EVERYBODY, "key"];

/** Routes beside those of kinds. */
const OTHERS: Readonly<Record<string, readonly Who[]>> = {
  "GET /admin/v1/openapi.json": ANYONE,
  "GET /admin/v1/docs": ANYONE,
  "GET /admin/v1/me": ALSO_KEYS,
  "GET /admin/v1/requests": ALSO_KEYS,
  "GET /admin/v1/requests/:id": EVERYBODY,
  "GET /admin/v1/requests/:id/explanation": ALSO_KEYS,
  "POST /admin/v1/explain": ALSO_KEYS,
  "GET /admin/v1/feedback": ALSO_KEYS,
  "GET /admin/v1/usage": ALSO_KEYS,
  "GET /admin/v1/usage/movers": EVERYBODY,
  "GET /admin/v1/budgets/:id/balance": EVERYBODY,
  "GET /admin/v1/objectives": EVERYBODY,
  "GET /admin/v1/canaries": EVERYBODY,
  "GET /admin/v1/audit": ADMINS,
  "GET /admin/v1/audit/verify": ADMINS,
};

/** Who sees what contracts cost: prices, estimates of single candidates, and what was agreed. */
export const SEES_TERMS: readonly Role[] = MONEY;

/** The rules of all routes: `GET /admin/v1/keys/:id` → who. */
export function accessTable(kinds: ReadonlyMap<string, Kind>): ReadonlyMap<string, readonly Who[]> {
  const table = new Map<string, readonly Who[]>(Object.entries(OTHERS));
  for (const { plural, access, actions } of kinds.values()) {
    const all = `/admin/v1/${plural}`;
    table.set(`GET ${all}`, access.read);
    table.set(`POST ${all}`, access.create);
    table.set(`GET ${all}/:id`, access.read);
    table.set(`PATCH ${all}/:id`, access.update);
    table.set(`DELETE ${all}/:id`, access.delete);
    for (const action of Object.keys(actions ?? {})) table.set(`POST ${all}/:id/${action}`, access.update);
  }
  return table;
}
