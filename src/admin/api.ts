/** All routes of the admin API, put together. */
import type { Kind } from "../control/types.ts";
import type { JsonObject } from "../wire/json.ts";
import { accessTable } from "./access.ts";
import { adminApp, type AppSettings } from "./app.ts";
import { auditRoutes } from "./audit.ts";
import { balanceRoute, type BalanceSettings } from "./balance.ts";
import { canaryRoute, type CanarySettings } from "./canaries.ts";
import { objectiveRoute, type ObjectiveSettings } from "./objectives.ts";
import { explainRoutes, type ExplainSettings } from "./explain.ts";
import { feedbackRoute, type FeedbackSettings } from "./feedback.ts";
import { objectRoutes, type ObjectSettings } from "./objects.ts";
import { openApiDocument } from "./openapi.ts";
import { docsPage, type DocsPage } from "./page.ts";
import { requestRoutes, usageRoutes, type ReportSettings } from "./reports.ts";
import { ok, type AdminRoute } from "./types.ts";

export interface ApiSettings extends ObjectSettings, ReportSettings, BalanceSettings, FeedbackSettings, ExplainSettings, ObjectiveSettings, CanarySettings, Pick<AppSettings, "identify" | "onCrash"> {
  readonly version: string;
}

export interface AdminApi {
  readonly routes: readonly AdminRoute[];
  /** What the router serves, as it says itself: `GET /admin/v1/keys`. */
  readonly served: readonly string[];
  readonly fetch: (request: Request) => Response | Promise<Response>;
}

/** The routes, each with its rule, ready to be asked. Throws where a route has none. */
export function adminApi(settings: ApiSettings): AdminApi {
  const { managed, identify, onCrash } = settings;
  const access = accessTable(managed.kinds);
  const routes = [...objectRoutes(settings), balanceRoute(settings), objectiveRoute(settings), canaryRoute(settings), ...usageRoutes(settings), ...requestRoutes(settings), feedbackRoute(settings), ...explainRoutes(settings), ...auditRoutes({ store: managed.store, kinds: managed.kinds, queries: settings.queries }), ME, ...describedBy(() => document)];
  const document = openApiDocument({ routes, access, kinds: managed.kinds, version: settings.version });
  const organisationExists = (id: string): boolean => managed.store.get("organisation", id) !== undefined;
  const app = adminApp({ routes, access, identify, organisationExists, onCrash });
  return { routes, served: app.routes.map(({ method, path }) => `${method} ${path}`), fetch: (request) => app.fetch(request) };
}

/** The routes that tell of the others: the same for everybody. */
function describedBy(document: () => JsonObject): readonly AdminRoute[] {
  const shared = { method: "GET", tag: "description" } as const;
  let page: DocsPage | null = null;
  return [
    { ...shared, path: "/admin/v1/openapi.json", name: "getOpenApi", summary: "This description", answers: { status: 200, description: "An OpenAPI 3.1 document", schema: { type: "object" } }, run: () => ok(document()) },
    {
      ...shared, path: "/admin/v1/docs", name: "getDocs", summary: "This description, for people", answers: { status: 200, description: "A page", also: ["text/html"] },
      run: () => {
        page ??= docsPage(document());
        return { kind: "text", status: 200, type: "text/html; charset=utf-8", parts: [page.html], headers: { "content-security-policy": page.policy } };
      },
    },
  ];
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
