/** What the page on providers shows of each: how an account is configured, an error in the provider's form, a recorded answer. */

/** Account lines of a configuration, by provider: [what it is, YAML after the account's name]. Default: a key. */
export const ACCOUNTS: Readonly<Record<string, readonly (readonly [what: string, yaml: string])[]>> = {
  vertex: [["credential file", 'project: my-project, location: europe-west4, credentials: "${CREDENTIALS}"'], ["credential file, the world's address", 'project: my-project, location: global, credentials: "${CREDENTIALS}"']],
  azure: [["key", "resource: my-resource, api_key: KEY"], ["directory's client", "resource: my-resource, entra: { tenant: my-tenant, client_id: ID, client_secret: SECRET }"]],
  bedrock: [
    ["keys", "region: us-east-1, access_key_id: AKIDEXAMPLE, secret_access_key: SECRET"],
    ["keys and a role", 'region: eu-central-1, access_key_id: AKIDEXAMPLE, secret_access_key: SECRET, role_arn: "arn:aws:iam::123456789012:role/gateway"'],
    ["bearer key", "region: us-east-1, api_key: KEY"],
  ],
  cloudflare: [["key", "account_id: my-account, api_key: KEY"]],
  ollama: [["no key", ""]],
  vllm: [["no key", 'base_url: "http://127.0.0.1:8000/v1"']],
  "openai-compatible": [["key", 'base_url: "https://models.example/v1", region: eu, api_key: KEY']],
};
export const KEY_ACCOUNT = [["key", "api_key: KEY"]] as const;

/** Models to show calls for; elsewhere the catalogue's first. */
export const MODELS: Readonly<Record<string, string>> = {
  openai: "gpt-5-mini",
  anthropic: "claude-sonnet-4-6",
  google: "gemini-2.5-flash",
  vertex: "gemini-2.5-flash",
  azure: "gpt-5-mini",
  bedrock: "anthropic.claude-sonnet-4-5-20250929-v1:0",
};

/** An error as the provider's documentation shows it. Without one, the provider's errors are `unproven` beyond their status. */
export interface ErrorSample {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: unknown;
}
const openaiError = (status: number, message: string, code: string | null, type: string): ErrorSample => ({ status, body: { error: { message, type, param: null, code } } });

export const ERRORS: Readonly<Record<string, ErrorSample>> = {
  openai: openaiError(429, "You exceeded your current quota, please check your plan and billing details.", "insufficient_quota", "insufficient_quota"),
  anthropic: { status: 529, body: { type: "error", error: { type: "overloaded_error", message: "Overloaded" }, request_id: "req_1" } },
  google: { status: 429, body: { error: { code: 429, status: "RESOURCE_EXHAUSTED", message: "Resource has been exhausted.", details: [{ "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "34s" }] } } },
  vertex: { status: 403, body: { error: { code: 403, status: "PERMISSION_DENIED", message: "Permission 'aiplatform.endpoints.predict' denied on resource." } } },
  azure: { status: 404, body: { error: { code: "DeploymentNotFound", message: "The API deployment for this resource does not exist." } } },
  bedrock: { status: 429, headers: { "x-amzn-errortype": "ThrottlingException" }, body: { message: "Too many requests, please wait before trying again." } },
  mistral: { status: 422, body: { object: "error", message: "Extra inputs are not permitted", type: "invalid_request_error", param: null, code: null } },
  deepseek: openaiError(402, "Insufficient Balance", "invalid_request_error", "unknown_error"),
  alibaba: openaiError(400, "Access denied, please make sure your account is in good standing.", "Arrearage", "Arrearage"),
  xai: { status: 400, body: { code: "Client specified an invalid argument", error: "Incorrect API key provided." } },
  groq: openaiError(498, "Flex tier capacity exceeded, please try again later.", "capacity_exceeded", "flex_capacity_exceeded"),
  cohere: { status: 429, body: { message: "You are using a Trial key, which is limited to 20 API calls / minute." } },
  moonshot: openaiError(429, "Your account is suspended, please check your plan and billing details", null, "exceeded_current_quota_error"),
  zai: { status: 429, body: { error: { code: "1113", message: "Insufficient balance or no resource package. Please recharge." } } },
  openrouter: { status: 402, body: { error: { code: 402, message: "This request requires more credits." } } },
  fireworks: openaiError(503, "Service overloaded, please try again later.", "service_unavailable", "error"),
  perplexity: openaiError(401, "Invalid API key", null, "invalid_api_key"),
};

/** A recorded whole answer of the provider, under the folder of recordings. */
export const RECORDINGS: Readonly<Record<string, string>> = {
  openai: "openai/chat/openai-text.json",
  anthropic: "anthropic/anthropic-claude-opus-5-reasoning-high.1.json",
  google: "google/google-reasoning.json",
  azure: "azure/azure-deepseek-reasoning.1.json",
  bedrock: "amazon-bedrock/amazon-bedrock-reasoning.json",
  mistral: "mistral/mistral-reasoning.json",
  deepseek: "deepseek/chat/deepseek-reasoning.json",
  alibaba: "alibaba/alibaba-text.json",
  xai: "xai/xai-text.json",
  groq: "groq/groq-reasoning.json",
  cohere: "cohere/cohere-text.json",
  perplexity: "perplexity/perplexity-text.json",
  moonshot: "moonshotai/moonshotai-reasoning.json",
};
