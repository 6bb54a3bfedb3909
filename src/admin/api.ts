/** All routes of the admin API, put together. */
import type { Kind } from "../control/types.ts";
import { accessTable } from "./access.ts";
import { adminApp, type AppSettings } from "./app.ts";
import { objectRoutes, type ObjectSettings } from "./objects.ts";
import { ok, type AdminRoute } from "./types.ts";

export interface ApiSettings extends ObjectSettings, Pick<AppSettings, "identify" | "onCrash"> {
  readonly version: string;
}

export interface AdminApi {
  readonly routes: readonly AdminRoute[];
  readonly fetch: (request: Request) => Response | Promise<Response>;
}

/** The routes, each with its rule, ready to be asked. Throws where a route has none. */
export function adminApi(settings: ApiSettings): AdminApi {
  const { managed, identify, onCrash } = settings;
  const routes = [...objectRoutes(settings), ME];
  const organisationExists = (id: string): boolean => managed.store.get("organisation", id) !== undefined;
  const app = adminApp({ routes, access: accessTable(managed.kinds), identify, organisationExists, onCrash });
  return { routes, fetch: (request) => app.fetch(request) };
}

const ME: AdminRoute = {
  method: "GET",
  path: "/admin/v1/me",
  name: "getMe",
  tag: "access",
  summary: "Whose token this is",
  answers: {
    status: 200,
    description: "Who asks",
    schema: { type: "object", required: ["id", "organisation", "role", "teams"], properties: { id: { type: "string" }, organisation: { type: "string" }, role: { enum: ["owner", "admin", "billing", "developer", "viewer", "key"] }, teams: { type: "array", items: { type: "string" } } } },
  },
  run: ({ actor, tenant }) => ok({ id: actor.id, organisation: tenant, role: actor.role, teams: actor.teams }),
};

/** A kind by the word that addresses and commands have for it. */
export function kindByPlural(kinds: ReadonlyMap<string, Kind>, plural: string): Kind | undefined {
  return [...kinds.values()].find((kind) => kind.plural === plural);
}
