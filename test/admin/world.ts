/** A gateway with an admin port, its fleet, and ways of asking both. */
import { gatewayConfig, startFleet, type FleetConfig } from "../../src/fleet/index.ts";
import type { GatewayOptions } from "../../src/compose.ts";
import type { JsonObject } from "../../src/wire/json.ts";
import { testGateway, type TestGateway } from "../support/gateway.ts";

export interface AdminReply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** `{}` where it is no JSON object. */
  readonly json: JsonObject;
  /** Of the rows of a listing. */
  readonly ids: readonly string[];
  /** Of a refusal. */
  readonly code: string | undefined;
  readonly problems: readonly { readonly field: string; readonly message: string }[];
}

export interface AdminWorld {
  readonly gateway: TestGateway;
  /** The administrator's. */
  readonly token: string;
  /** Ask below `/admin/v1`, as the administrator. */
  ask(method: string, path: string, body?: JsonObject, headers?: Readonly<Record<string, string>>): Promise<AdminReply>;
  /** As whoever has this token; null: nobody. */
  askAs(token: string | null, method: string, path: string, body?: JsonObject, headers?: Readonly<Record<string, string>>): Promise<AdminReply>;
  raw(method: string, path: string, text: string, type: string): Promise<AdminReply>;
  /** A chat completion with a caller's key. */
  call(key: string, body?: JsonObject, headers?: Readonly<Record<string, string>>): Promise<{ readonly status: number; readonly requestId: string; readonly text: string }>;
  /** Make an object; its secret, where one is shown. */
  make(plural: string, body: JsonObject, organisation?: string): Promise<string>;
  /** A token of a new member. */
  member(id: string, body: JsonObject, organisation?: string): Promise<string>;
  close(): Promise<void>;
}

export const CONFIGURED_KEY = "the-key-of-the-configuration";
export const FLEET: FleetConfig = {
  seed: 5,
  providers: [
    { name: "one", dialect: "openai-chat", models: { chat: { input: 1, output: 2 }, large: { input: 10, output: 30 } } },
    { name: "two", dialect: "anthropic-messages", models: { talk: { input: 3, output: 15 } } },
  ],
};
const MORE: JsonObject = {
  keys: [{ name: "configured", key: CONFIGURED_KEY }],
  fallbacks: "off",
  budgets: { month: { scope: "team/search", period: "month", limit_usd: 100, models: ["gpt-4o", "gpt-4o-mini"] } },
  prices: { later: { account: "one", model: "large", price: { input: 8, output: 20 }, valid_from: "2099-01-01" } },
  contracts: { agreed: { account: "one", models: ["large"], kind: "pay_as_you_go", start: "2099-01-01", discounts: [{ percent: 10 }] } },
  notify: [{ name: "ops", type: "webhook", url: "http://127.0.0.1:9/hook", secret: "0123456789abcdef" }],
  limits: { pace: { scope: "key/configured", requests_per_minute: 100_000 } },
};

/** Start one; `more` goes over the configuration. */
export async function adminWorld(more: JsonObject = {}, options: Partial<GatewayOptions> = {}): Promise<AdminWorld> {
  const fleet = await startFleet(FLEET);
  const gateway = await testGateway(gatewayConfig(FLEET, fleet, { more: { ...MORE, ...more } }), options).catch(async (error: unknown) => {
    await fleet.close();
    throw error;
  });
  const token = gateway.adminToken ?? "";
  const ask = async (shown: string | null, method: string, path: string, text: string | null, headers: Readonly<Record<string, string>>): Promise<AdminReply> => {
    const response = await fetch(`${gateway.adminUrl}/admin/v1${path}`, { method, headers: { ...(shown === null ? {} : { authorization: `Bearer ${shown}` }), ...headers }, ...(text === null ? {} : { body: text }) });
    return replyOf(response.status, response.headers, await response.text());
  };
  const askAs: AdminWorld["askAs"] = (shown, method, path, body, headers = {}) => ask(shown, method, path, body === undefined ? null : JSON.stringify(body), { ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers });
  const make: AdminWorld["make"] = async (plural, body, organisation = "default") => {
    const reply = await askAs(token, "POST", `/${plural}?organisation=${organisation}`, body);
    if (reply.status !== 201) throw new Error(reply.text);
    const once = reply.json["once"] as JsonObject | undefined;
    return typeof once?.["key"] === "string" ? once["key"] : "";
  };
  return {
    gateway,
    token,
    askAs,
    make,
    ask: (method, path, body, headers) => askAs(token, method, path, body, headers),
    raw: (method, path, text, type) => ask(token, method, path, method === "GET" ? null : text, { "content-type": type }),
    call: async (key, body = {}, headers = {}) => {
      const response = await fetch(`${gateway.baseUrl}/chat/completions`, { method: "POST", headers: { "content-type": "application/json", authorization: `Bearer ${key}`, ...headers }, body: JSON.stringify({ model: "one/chat", messages: [{ role: "user", content: "hi" }], ...body }) });
      const text = await response.text();
      return { status: response.status, requestId: response.headers.get("x-request-id") ?? "", text };
    },
    member: async (id, body, organisation = "default") => {
      await make("members", { id, name: id, ...body }, organisation);
      const full = organisation === "default" ? id : `${organisation}.${id}`;
      const reply = await askAs(token, "POST", `/members/${full}/token?organisation=${organisation}`, {});
      return (reply.json["once"] as { token: string }).token;
    },
    close: async () => {
      await gateway.close();
      await fleet.close();
    },
  };
}

function replyOf(status: number, headers: Headers, text: string): AdminReply {
  const parsed: unknown = headers.get("content-type") === "application/json" ? JSON.parse(text) : {};
  const json = parsed as JsonObject;
  const error = json["error"] as { code?: string; problems?: AdminReply["problems"] } | undefined;
  const data = Array.isArray(json["data"]) ? (json["data"] as readonly JsonObject[]) : [];
  return { status, headers, text, json, ids: data.map((row) => (typeof row["id"] === "string" ? row["id"] : "")), code: error?.code, problems: error?.problems ?? [] };
}
