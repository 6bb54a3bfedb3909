/** Which endpoint a path means, whatever base URL a client was given. */
import { SERVED, type CountName, type FeedbackName, type KeptName, type OwnedName, type PassName, type ServedName, type SurfaceName } from "../wire/surfaces.ts";

export type EndpointName = ServedName | "models" | "model" | "healthz" | "readyz" | "root" | "hello";
export interface Target {
  readonly endpoint: EndpointName | null;
  /** In whose form errors and lists of this path are told. */
  readonly form: SurfaceName;
  /** Model id in the path, percent-decoded once; undefined where the path names none. */
  readonly model: string | undefined;
  /** Stream asked by the path; undefined where the body says it. */
  readonly stream: boolean | undefined;
  /** What the path names besides a model (a file, a batch, a response), percent-decoded once. */
  readonly id?: string;
  /** Asked by a method that the endpoint does not take, the path is another one, which is not served and whose form is this; absent: the method is wrong. */
  readonly otherwise?: SurfaceName;
}

const target = (endpoint: EndpointName | null, form: SurfaceName = "chat", model?: string, stream?: boolean): Target => ({ endpoint, form, model, stream });

/** An endpoint that is no chat. */
const served = (name: PassName | OwnedName | CountName | KeptName | FeedbackName): Target => target(name, SERVED[name].form);

/** Below the version, which may be absent or doubled. */
const KNOWN: Readonly<Record<string, Target>> = {
  "/chat/completions": target("chat"),
  "/completions": target("completions", "completions"),
  "/embeddings": target("embeddings"),
  "/responses": target("responses", "responses"),
  "/responses/input_tokens": served("responses-input-tokens"),
  "/responses/compact": served("responses-compact"),
  "/messages": target("messages", "messages"),
  "/messages/count_tokens": served("messages-count-tokens"),
  "/models": target("models"),
  "/moderations": served("moderations"),
  "/images/generations": served("image-generations"),
  "/images/edits": served("image-edits"),
  "/images/variations": served("image-variations"),
  "/audio/speech": served("audio-speech"),
  "/audio/transcriptions": served("audio-transcriptions"),
  "/audio/translations": served("audio-translations"),
  "/rerank": served("rerank"),
  "/files": served("files"),
  "/batches": served("batches"),
  "/feedback": served("feedback"),
  "/messages/batches": served("message-batches"),
};
const CHAT = KNOWN["/chat/completions"] as Target;
/** Chat completions as one maker's clients read them, who name it in their base URL or by their `user-agent`. */
const OWN_FORM: SurfaceName = "chat-mistral";
const OWN_CHAT = target(OWN_FORM, OWN_FORM);
const OWN_EMBEDDINGS = target("embeddings", OWN_FORM);
const PROBES: Readonly<Record<string, Target>> = {
  "/healthz": target("healthz"),
  "/readyz": target("readyz"),
  "/": target("root"),
  "/api/hello": target("hello", "messages"),
  "/v2/chat": target("chat-v2", "chat-v2"),
  "/v2/embed": served("embed-v2"),
  "/v2/rerank": served("rerank-v2"),
};
const UNKNOWN = target(null);
/** Whose form an unknown path is told in: by what it begins with, below the version. All others are told in that of chat completions. */
const FORMS: readonly (readonly [begins: RegExp, form: SurfaceName])[] = [
  [/^\/responses(?:\/|$)/, "responses"],
  [/^\/(?:messages|complete)(?:\/|$)/, "messages"],
  [/^\/completions\//, "completions"],
  [/^\/(?:v2|rerank)(?:\/|$)/, "chat-v2"],
  [/^\/(?:model|guardrail|async-invoke)(?:\/|$)/, "converse"],
  [/^\/(?:projects|publishers)\//, "generate-content"],
];
/** Not called by a model. */
const NO_MODEL: ReadonlySet<EndpointName | null> = new Set<EndpointName | null>(["models", "files", "batches", "message-batches", "feedback"]);
/** `models/{model}:{verb}`, where a model may hold ":" itself. */
const VERBS: ReadonlyMap<string, { readonly endpoint: SurfaceName | PassName | CountName; readonly stream: boolean | undefined }> = new Map([
  ["generateContent", { endpoint: "generate-content", stream: false }],
  ["streamGenerateContent", { endpoint: "generate-content", stream: true }],
  ["countTokens", { endpoint: "generate-content-count-tokens", stream: undefined }],
  ["embedContent", { endpoint: "embed-content", stream: undefined }],
  ["batchEmbedContents", { endpoint: "batch-embed-contents", stream: undefined }],
]);
/** `{collection}/{id}` and `{collection}/{id}/{part}`. */
const KEPT: Readonly<Record<string, OwnedName | KeptName>> = {
  "files/": "file",
  "files/content": "file-content",
  "batches/": "batch",
  "batches/cancel": "batch-cancel",
  "messages/batches/": "message-batch",
  "messages/batches/cancel": "message-batch-cancel",
  "messages/batches/results": "message-batch-results",
  "responses/": "response",
  "responses/input_items": "response-input-items",
  "responses/cancel": "response-cancel",
};
/** What ids begin with that providers give. Where one does not, it may be no id but an endpoint that is not served. */
const MARKS: Readonly<Record<string, string>> = { files: "file", batches: "batch", "messages/batches": "msgbatch", responses: "resp" };
const COLLECTION = /^\/(files|batches|messages\/batches|responses)\/([^/]+)(?:\/([^/]+))?$/;

/** Versions that only one protocol has. */
const PREVIEW = /^\/v1(?:alpha|beta)\d?(?=\/|$)/;
/** Nothing that is served has a longer path. Prefixes are taken off one by one, before it is known who asks. */
const PATH_CHARS_MAX = 2_048;

/** Up to where a base URL may reach. Further on a doubled slash means an empty id. */
const BASE = /^(?:\/+(?:v1beta|v1|v2|anthropic|mistral|openai)(?=\/))*\/+/;

/** Resolve a path without its query. A trailing slash is ignored, and so is one that a base URL ended in. */
export function targetOf(path: string): Target {
  if (path === "/v1/chat/completions") return CHAT;
  const probe = PROBES[path];
  if (probe !== undefined || path.length > PATH_CHARS_MAX) return probe ?? UNKNOWN;
  return path.includes("//") ? aliasOf(path.replace(BASE, (base) => base.replace(/\/{2,}/g, "/"))) : aliasOf(path);
}

function aliasOf(path: string): Target {
  let rest = path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path;
  const preview = PREVIEW.exec(rest)?.[0] ?? "";
  const beta = preview !== "";
  rest = rest.slice(preview.length);
  // A base URL that names the protocol's maker, as some clients are given.
  const named = rest.startsWith("/anthropic/");
  if (named) rest = rest.slice(10);
  if (rest.startsWith("/mistral/")) return inOwnForm(aliasOf(rest.slice(8)));
  while (rest.startsWith("/v1/")) rest = rest.slice(3);
  // Of the same names there, and other things.
  if (beta && /^\/(?:files|batches)(?:\/|$)/.test(rest)) return unknown("generate-content");
  const known = KNOWN[rest];
  const lists = beta ? "generate-content" : named ? "messages" : "chat";
  if (known !== undefined) return known.endpoint === "models" && lists !== "chat" ? target("models", lists) : known;
  if (rest.startsWith("/models/") && rest.length > 8) return ofModel(rest.slice(8), lists);
  if (rest.startsWith("/openai/deployments/")) return ofDeployment(rest.slice(20));
  if (rest.startsWith("/openai/")) return aliasOf(rest.slice(7));
  if (rest.startsWith("/model/")) return converse(rest.slice(7));
  const found = COLLECTION.exec(rest);
  const inside = found === null ? undefined : kept(found);
  if (inside !== undefined) return inside;
  const probe = rest.startsWith("/v2/") ? PROBES[rest] : undefined;
  return probe ?? unknown(beta ? "generate-content" : named ? "messages" : FORMS.find(([begins]) => begins.test(rest))?.[1]);
}

function unknown(form: SurfaceName | undefined): Target {
  return form === undefined ? UNKNOWN : target(null, form);
}

/**
 * The target as this client means it. Clients that read chat completions more strictly than their hosts write them are known by
 * their `user-agent`, so that the usual base URL serves them too; the same path has nothing else to tell them by.
 */
export function meantBy(target: Target, headers: Readonly<Record<string, unknown>>): Target {
  if (target.form !== "chat") return target;
  const agent = headers["user-agent"];
  return typeof agent === "string" && agent.startsWith("mistral-client-") ? inOwnForm(target) : target;
}

function inOwnForm(target: Target): Target {
  if (target.endpoint === "chat") return target.model === undefined ? OWN_CHAT : { ...target, endpoint: OWN_FORM, form: OWN_FORM };
  if (target === KNOWN["/embeddings"]) return OWN_EMBEDDINGS;
  return target.form === "chat" ? { ...target, form: OWN_FORM } : target;
}

/** Whose list of models a client wants is told by what else it sends: the paths are the same. So is who asks for what nobody knows. */
export function formOf(target: Target, headers: Readonly<Record<string, unknown>>): SurfaceName {
  if (target.endpoint !== "models" && target.endpoint !== "model" && target !== UNKNOWN) return target.form;
  if (headers["anthropic-version"] !== undefined || target.form === "messages") return "messages";
  return headers["x-goog-api-key"] !== undefined || headers["x-goog-api-client"] !== undefined ? "generate-content" : target.form;
}

/** `{id}` of a listing, or `{model}:{verb}`. */
function ofModel(rest: string, form: SurfaceName): Target {
  const colon = rest.lastIndexOf(":");
  const verb = colon < 0 ? undefined : VERBS.get(rest.slice(colon + 1));
  if (verb !== undefined) return withModel(verb.endpoint, "generate-content", rest.slice(0, colon), verb.stream);
  const one = withModel("model", form, rest, undefined);
  // A model may hold ":" itself; by POST it is a verb.
  return colon < 0 || one.endpoint === null ? one : { ...one, otherwise: "generate-content" };
}

/** `{deployment}/chat/completions` and the like: the deployment is the model, which may hold "/". */
function ofDeployment(rest: string): Target {
  for (let slash = rest.indexOf("/"); slash > 0; slash = rest.indexOf("/", slash + 1)) {
    const known = KNOWN[rest.slice(slash)];
    if (known !== undefined && !NO_MODEL.has(known.endpoint)) return withModel(known.endpoint, known.form, rest.slice(0, slash), undefined);
  }
  return UNKNOWN;
}

/** `{model}/converse` and `{model}/converse-stream`; a model may hold "/". */
function converse(rest: string): Target {
  if (rest.endsWith("/converse")) return withModel("converse", "converse", rest.slice(0, -9), false);
  if (rest.endsWith("/converse-stream")) return withModel("converse", "converse", rest.slice(0, -16), true);
  return target(null, "converse");
}

/** `/files/{id}`, `/files/{id}/content`, `/batches/{id}`, `/batches/{id}/cancel`, and the same of others; undefined: nothing that is served. */
function kept([, collection = "", id = "", part = ""]: readonly string[]): Target | undefined {
  const key = `${collection}/${part}`;
  const endpoint = Object.hasOwn(KEPT, key) ? KEPT[key] : undefined;
  if (endpoint === undefined) return undefined;
  const known = served(endpoint);
  try {
    return { ...known, id: decodeURIComponent(id), ...(part === "" && !id.startsWith(MARKS[collection] ?? "") ? { otherwise: known.form } : {}) };
  } catch {
    // Not valid percent-encoding, so no id of anybody's.
    return undefined;
  }
}

function withModel(endpoint: EndpointName | null, form: SurfaceName, encoded: string, stream: boolean | undefined): Target {
  try {
    return target(endpoint, form, decodeURIComponent(encoded), stream);
  } catch {
    // Not valid percent-encoding, so no id of ours.
    return target(null, form);
  }
}
