/**
 * The shape of a configuration. Structure and types only, so that the same schema can be published for editors; what
 * needs more than one value to judge stands beside the code that uses it. Each `error` says what was expected.
 */
import { z } from "zod";
import { channelFields } from "../control/kinds/channel.ts";
import { contractSchema } from "../control/kinds/contract.ts";
import { budget } from "../control/kinds/budget.ts";
import { limit } from "../control/kinds/limit.ts";
import { price } from "../control/kinds/price.ts";
import { priceSchema } from "../control/price-schema.ts";
import { IMPORTANCES } from "../decide/objective/shedding.ts";
import type { Capability } from "../wire/capability.ts";
import { objectiveKinds, routeTerms } from "./objective-schema.ts";
import { STRATEGIES } from "./route-terms.ts";
import { healthSchema } from "./health.ts";
import { trialKeys } from "./trials.ts";
import { DURATION_PATTERN } from "./values.ts";

const REFERENCE = z.string().regex(/\$\{.+\}/).meta({ id: "reference", description: "A value from outside the file: ${NAME}, ${NAME:-default} or ${file:/path}" });

/** What a model may be said to be able to do: the names of the capability table, and a common word for one of them. */
const CAN: Readonly<Record<Capability | "vision", string>> = {
  vision: "Images in a request; the same as image_in",
  image_in: "Images in a request",
  image_url: "Images by an address that the provider fetches itself",
  audio_in: "Sound in a request",
  file_in: "Documents in a request, PDF first",
  tools: "Tools",
  tool_choice_none: "Tools that are shown and may not be called",
  tool_choice_required: "A tool call may be demanded",
  tool_choice_named: "The call of one tool may be demanded",
  parallel_off: "One tool call at a time",
  json_object: "JSON mode",
  json_schema: "Structured output by a JSON schema",
  json_beside_tools: "Either of the two in a request that offers tools",
  n: "Several choices",
  stop: "Stop sequences",
  seed: "seed",
  logprobs: "logprobs and top_logprobs",
  logit_bias: "logit_bias",
  penalties: "presence_penalty and frequency_penalty",
  sampling: "temperature and top_p other than 1",
  top_k: "top_k",
  reasoning_effort: "reasoning_effort",
  streaming: "Streamed answers",
  prefill: "Going on with a last turn of the assistant that was begun for it",
};

/**
 * The schema. `forEditor`: every value may also be a `${…}` reference, which an editor sees before it is replaced.
 */
export function configSchema(forEditor: boolean) {
  const open = <T extends z.ZodType>(schema: T, description: string): z.ZodType =>
    forEditor ? z.union([schema, REFERENCE]).describe(description) : schema.describe(description);
  const text = (expected: string, description: string): z.ZodType => open(z.string({ error: expected }).min(1, { error: expected }), description);
  const duration = (description: string): z.ZodType => {
    const error = "a duration such as 250ms, 30s, 5m or 1h";
    return open(z.string({ error }).regex(DURATION_PATTERN, { error }), description);
  };
  const number = (expected: string, description: string): z.ZodType => {
    const numeric = z.union([z.number({ error: expected }), z.string({ error: expected }).regex(/^\d+(\.\d+)?([eE][+-]?\d+)?$/, { error: expected })], { error: expected });
    return open(numeric, description);
  };
  const oneOf = (values: readonly [string, ...string[]], description: string): z.ZodType => open(z.enum(values, { error: listed(values) }), description);
  const flag = (description: string): z.ZodType => {
    const error = "true or false";
    return open(z.union([z.boolean(), z.enum(["true", "false"])], { error }), description);
  };
  const onOff = (description: string): z.ZodType => open(z.union([z.enum(["on", "off"]), z.boolean()], { error: "on or off" }), description);

  const priceList = priceSchema({ number, text });
  const capabilities = z.strictObject(
    Object.fromEntries(Object.entries(CAN).map(([name, what]) => [name, flag(what).optional()])),
    { error: "a map such as { vision: false, tools: true }" },
  );
  const model = z.strictObject(
    {
      price: priceList.describe("Your price, in place of the catalogue's").optional(),
      unmetered: flag("Costs nothing per call; its cost is recorded as unknown, never as zero").optional(),
      context: number("a number of tokens", "Context window in tokens").optional(),
      max_output: number("a number of tokens", "Most output tokens of one answer").optional(),
      capabilities: capabilities.describe("What the model can (true) and cannot do (false); what is not named stays as it is known").optional(),
    },
    { error: "a map with price, unmetered, context, max_output or capabilities" },
  );
  const entra = z.strictObject(
    {
      tenant: text("a tenant's id or domain", "The directory's id or domain").optional(),
      client_id: text("a client id", "The application's id").optional(),
      client_secret: text("a client secret", "The application's secret").optional(),
      authority: text("an http or https URL", "Address of the directory, for clouds of their own").optional(),
      scope: text("a scope", "What the token is for").optional(),
    },
    { error: "a map with tenant, client_id and client_secret" },
  );
  const provider = z.strictObject(
    {
      type: text("the name of a provider type", "What kind of provider this account is at; the entry's own name where absent").optional(),
      api: oneOf(["chat", "responses"], "The protocol that this account is called by, where its host speaks both (chat)").optional(),
      base_url: text("an http or https URL", "Address in place of the provider's usual one, with its version segment").optional(),
      api_key: text("a key, or none", "The credential; `none` where the server wants none").optional(),
      region: text("a region such as eu or us", "Where requests are processed; automatic fallbacks stay within it").optional(),
      domain: z
        .strictObject(
          {
            edge: text("a name", "Network or CDN in front of it").optional(),
            cloud: text("a name", "Cloud that it runs in").optional(),
          },
          { error: "a map with edge or cloud" },
        )
        .describe("Failure domains: the next attempt prefers another")
        .optional(),
      data: z
        .strictObject(
          {
            trains: flag("Models are trained on prompts that are sent there").optional(),
            retains: flag("Prompts or answers are kept there").optional(),
          },
          { error: "a map with trains or retains" },
        )
        .describe("What was agreed about prompts and answers; requests may ask for accounts that say false")
        .optional(),
      proxy: text("an http or https URL", "HTTP proxy for this account").optional(),
      ca_file: text("a path", "PEM file with certificate authorities for this account").optional(),
      unmetered: flag("Calls cost nothing each; default for model servers of one's own and private addresses").optional(),
      project: text("a project", "Project that the address names").optional(),
      location: text("a location such as europe-west4 or global", "Location that the address names").optional(),
      credentials: text("the text of a credential file", "Text of a credential file, best as ${file:/path}").optional(),
      resource: text("the name of a resource", "Resource that the address names").optional(),
      entra: entra.describe("Access by a directory's client in place of a key").optional(),
      deployments: z
        .record(z.string(), text("the catalogue's name of the model", "The catalogue's name of the model"), { error: "a map from deployment name to the catalogue's model" })
        .describe("Names of your deployments and the models behind them")
        .optional(),
      account_id: text("an account's id", "Account that the address names").optional(),
      access_key_id: text("an access key's id", "Id of the key that requests are signed with").optional(),
      secret_access_key: text("a secret access key", "The key that requests are signed with").optional(),
      session_token: text("a session token", "Goes with temporary keys").optional(),
      profile: text("a profile's name", "Profile of the usual credential files").optional(),
      role_arn: text("a role", "Role to take on with these keys").optional(),
      external_id: text("an external id", "Asked for by the role's owner").optional(),
      web_identity_token_file: text("a path", "File with a token to take on the role with").optional(),
      sts_url: text("an http or https URL", "Address of the service that gives temporary keys").optional(),
      models: z.record(z.string(), model, { error: "a map from model name to its facts" }).describe("Facts and prices of single models").optional(),
    },
    { error: "a map with type, base_url, api_key, …" },
  );
  const candidate = z.union(
    [
      z.string().min(1),
      z.strictObject({
        use: text("account/model", "account/model"),
        weight: number("a number above 0", "Share of the traffic under strategy: weighted; 1 where absent").optional(),
      }),
    ],
    { error: "account/model, or { use: account/model, weight: 2 }" },
  );
  const values = { open, number, oneOf };
  // Read by its own code, which says more of what is wrong.
  const terms = forEditor ? routeTerms(values) : { ...routeTerms(values), objectives: z.unknown().optional() };
  const route = z.strictObject(
    {
      candidates: z.array(candidate, { error: "a list of account/model" }).min(1, { error: "at least one account/model" }).describe("Deployments in order: account/model, or { use, weight }"),
      cheaper: z.array(candidate, { error: "a list of account/model" }).describe("Take the candidates' place once a budget with cheaper_at is spent that far").optional(),
      on_context_window: z.array(candidate, { error: "a list of account/model" }).describe("Asked only when the prompt does not fit the candidates: models with larger context windows").optional(),
      on_content_policy: z.array(candidate, { error: "a list of account/model" }).describe("Asked only when a content policy refuses the request").optional(),
      strategy: oneOf(STRATEGIES, "priority: the first that can; weighted: by share; cheapest; fastest; least-busy; sticky: the same caller to the same; balanced: by expected total cost (priority; balanced where there are objectives)").optional(),
      deadline: duration("To the first content of a stream, or the whole of a JSON answer (600s)").optional(),
      first_token: duration("A stream without content after this counts against its deployment, and the next one starts beside it (30s; 300s for models that reason)").optional(),
      attempt: duration("The same for an answer that is no stream (120s; 300s for models that reason)").optional(),
      idle: duration("Longest silence after the first content (60s)").optional(),
      connect: duration("Longest time to connect (2s)").optional(),
      lifetime: duration("Longest a stream may last (1h)").optional(),
      keepalive: onOff("Comments in a waiting stream every 15 s (on)").optional(),
      forward_headers: z
        .array(text("a header name", "A header name"), { error: "a list of header names" })
        .describe("Request headers to pass on besides those of the protocol itself")
        .optional(),
      default_max_output: number("a number of tokens", "Output limit where a budget applies and the client asks none (8192)").optional(),
      on_cost_spike: oneOf(["alert", "move"], "When a deployment's calls become dearer than they were: alert only, or put it last while that lasts (alert)").optional(),
      ...terms,
      ...trialKeys(values),
      rescue: oneOf(["continue", "off"], "A stream of text that breaks off is carried on by another candidate that can go on with a begun answer; answers of such a route are always written by the gateway (off)").optional(),
      lenient: flag("Sampling fields and other wishes that a target refuses are left out with a warning, in place of leaving the target out (false)").optional(),
    },
    { error: "a map with candidates" },
  );
  const key = z.strictObject(
    {
      name: text("a name", "Who calls; stands in records and bills"),
      key: text("the key itself", "The key itself, best as a ${…} reference").optional(),
      sha256: open(
        z.string({ error: "64 hexadecimal digits" }).regex(/^[0-9a-fA-F]{64}$/, { error: "64 hexadecimal digits" }),
        "SHA-256 of the key in hexadecimal, in place of the key",
      ).optional(),
      importance: oneOf(IMPORTANCES, "The most that its requests matter, whatever a route or x-spillway-importance says: low is refused first when room is short").optional(),
    },
    { error: "a map with name and key, or name and sha256" },
  );
  return z
    .strictObject(
      {
        version: open(z.literal(1, { error: "1" }), "Version of this format"),
        keys: z.array(key, { error: "a list of { name, key }" }).describe("Who may call. Without any, only this machine may").optional(),
        providers: z.record(z.string(), provider, { error: "a map from account name to its settings" }).describe("Accounts at providers; two accounts of one type are two entries").optional(),
        routes: z.record(z.string(), route, { error: "a map from route name to its settings" }).describe("Names that clients put in `model`").optional(),
        aliases: z
          .record(z.string(), text("the name of a route or model", "A route, or any name that resolves"), { error: "a map from name or pattern to a route or model" })
          .describe("Other names; * matches any run of characters")
          .optional(),
        files: oneOf(["auto", "shared", "off"], "Files and batches are the provider's account's, and so every caller's: shared serves them to all keys, auto only while there is at most one key").optional(),
        fallbacks: oneOf(["off", "auto"], "For names that are no routes: fall back to the same model at another provider (auto)").optional(),
        unpriced: oneOf(["refuse", "serve"], "What to do with models whose price is unknown (refuse)").optional(),
        remote_images: oneOf(["off", "fetch"], "Images that stand in a request by their address, for providers that take only bytes: fetched from public addresses, or refused (fetch)").optional(),
        health: healthSchema(duration, values)
          .describe("How long failing deployments are left alone")
          .optional(),
        ledger: z
          .strictObject(
            { sync: oneOf(["process", "full"], "process: charges survive this process; full: they survive the machine").optional() },
            { error: "a map with sync" },
          )
          .describe("How durable charges are")
          .optional(),
        cors: z
          .strictObject(
            { origins: z.array(text("an origin such as https://app.example.com", "An origin"), { error: "a list of origins" }).describe("Scheme, host and port of each page").optional() },
            { error: "a map with origins" },
          )
          .describe("Web pages that may call from a browser; none where absent")
          .optional(),
        responses: z
          .strictObject(
            {
              store: oneOf(["off", "memory", "encrypted"], "off: nothing; memory: until the process ends; encrypted: sealed on disk (memory)").optional(),
              ttl: duration("How long an answer can be continued from or read again (1h)").optional(),
              key: text("a key of at least 32 characters", "What the encrypted store is sealed with, best as ${file:/path}; where absent, a key file in the data folder").optional(),
            },
            { error: "a map with store, ttl or key" },
          )
          .describe("What is kept of answers that clients continue by id")
          .optional(),
        reasoning_state: z
          .strictObject(
            {
              store: oneOf(["off", "memory", "encrypted"], "off: nothing; memory: until the process ends; encrypted: sealed on disk, with the key of responses (memory)").optional(),
              ttl: duration("How long it is kept after its last use (1h)").optional(),
            },
            { error: "a map with store or ttl" },
          )
          .describe("What is kept of signed reasoning beside tool calls, for clients that do not send it back")
          .optional(),
        budgets: z.record(z.string(), forEditor ? budget.schema : z.unknown(), { error: "a map from a budget's id to its settings" }).describe("What may be spent by whom in which time").optional(),
        limits: z.record(z.string(), forEditor ? limit.schema : z.unknown(), { error: "a map from a limit's id to its settings" }).describe("Requests and tokens a minute, and requests at once").optional(),
        prices: z.record(z.string(), forEditor ? price.schema : z.unknown(), { error: "a map from a price's id to its settings" }).describe("What models cost at a provider or on one account, for a time, in place of the catalogue's prices").optional(),
        contracts: z.record(z.string(), forEditor ? contractSchema({ number, text }) : z.unknown(), { error: "a map from a contract's id to its settings" }).describe("What was agreed with providers over their price lists").optional(),
        objectives: z
          .record(z.string(), forEditor ? z.strictObject({ scopes: z.array(text("a scope such as team/search", "key/app, team/search, …")).describe("Of requests in all of these"), ...objectiveKinds(values) }) : z.unknown(), { error: "a map from a name to scopes and objectives" })
          .describe("What is promised to keys, teams and others, beside what routes promise")
          .optional(),
        notify: z
          .array(forEditor ? z.strictObject({ ...channelFields, name: z.string().describe("Its name, by which it is tested"), tenant: z.string().describe("Only what is this organisation's").optional() }) : z.unknown(), { error: "a list of { name, type, … }" })
          .describe("Where alerts go")
          .optional(),
        display: z
          .strictObject(
            {
              currency: text("the code of a currency, such as EUR", "Currency of listings; the ledger stays in dollars").optional(),
              rates: (forEditor ? z.array(z.strictObject({ from: z.string().describe("From this day on, in UTC"), usd: number("a rate", "Units of the currency for one dollar") })) : z.unknown()).describe("Rates by the day from which they hold").optional(),
            },
            { error: "a map with currency and rates" },
          )
          .describe("The currency of listings, by rates of your own")
          .optional(),
        chat: z
          .strictObject(
            { reasoning_field: oneOf(["reasoning_content", "both"], "Where chat completions show reasoning; both: also as reasoning, for which answers are written anew (reasoning_content)").optional() },
            { error: "a map with reasoning_field" },
          )
          .describe("How chat completions are answered")
          .optional(),
      },
      { error: "a map with version, providers, routes, …" },
    )
    .describe("Configuration of Spillway");
}

/** The JSON Schema for editors, as it is published. */
export function editorSchema(): unknown {
  const schema = z.toJSONSchema(configSchema(true), { io: "input", target: "draft-7" });
  return { ...schema, title: "spillway.yaml" };
}

function listed(values: readonly string[]): string {
  return values.length < 2 ? values.join("") : `${values.slice(0, -1).join(", ")} or ${values.at(-1)}`;
}
