/** Names of what is served: chat in several protocols, each a surface of its own, and what is no chat. */

/** Chat surfaces, named after what their protocols call the endpoint; `chat-` and a name: a maker's own reading of it. */
export type SurfaceName = "chat" | "chat-mistral" | "completions" | "responses" | "messages" | "generate-content" | "converse" | "chat-v2";

/** Whose form an error takes: the surface that the path belongs to. */
export type ErrorForm = SurfaceName;

/** Endpoints that are no chat and whose bodies pass to providers of the same protocol. */
export type PassName =
  | "moderations"
  | "responses-compact"
  | "image-generations"
  | "image-edits"
  | "image-variations"
  | "audio-speech"
  | "audio-transcriptions"
  | "audio-translations"
  | "rerank"
  | "rerank-v2"
  | "embed-v2"
  | "embed-content"
  | "batch-embed-contents";

/** Endpoints of what a provider keeps for its account: called by account, not by model. */
export type OwnedName = FileName | MessageBatchName;
type FileName = "files" | "file" | "file-content" | "batches" | "batch" | "batch-cancel";
type MessageBatchName = "message-batches" | "message-batch" | "message-batch-cancel" | "message-batch-results";

/** What an account has to keep so that it can be asked. */
export type OwnedKind = "files" | "message-batches";

/** Questions about a prompt that is not run: how many tokens it has. Free, and with a record. */
export type CountName = "responses-input-tokens" | "messages-count-tokens" | "generate-content-count-tokens";

/** Responses that the gateway keeps itself; they have no record. */
export type KeptName = "response" | "response-input-items" | "response-cancel";

/** What callers say of answers; it has no record. */
export type FeedbackName = "feedback";

/** Everything that has a record, what is kept, and feedback. */
export type ServedName = SurfaceName | "embeddings" | PassName | OwnedName | CountName | KeptName | FeedbackName;

export type HttpMethod = "GET" | "POST" | "DELETE";
export interface ServedFacts {
  /** Whose form an error takes. */
  readonly form: ErrorForm;
  readonly methods: readonly HttpMethod[];
  /** The body of a POST may be a form with files in it. */
  readonly multipart?: boolean;
  /** A POST may come without a body. */
  readonly bodiless?: boolean;
}

const post = (form: ErrorForm, more: Partial<ServedFacts> = {}): ServedFacts => ({ form, methods: ["POST"], ...more });

/** What is no chat, by name. */
export const SERVED: Readonly<Record<PassName | OwnedName | CountName | KeptName | FeedbackName, ServedFacts>> = {
  moderations: post("chat"),
  "responses-compact": post("responses"),
  "image-generations": post("chat"),
  "image-edits": post("chat", { multipart: true }),
  "image-variations": post("chat", { multipart: true }),
  "audio-speech": post("chat"),
  "audio-transcriptions": post("chat", { multipart: true }),
  "audio-translations": post("chat", { multipart: true }),
  rerank: post("chat-v2"),
  "rerank-v2": post("chat-v2"),
  "embed-v2": post("chat-v2"),
  "embed-content": post("generate-content"),
  "batch-embed-contents": post("generate-content"),
  files: { form: "chat", methods: ["GET", "POST"], multipart: true },
  file: { form: "chat", methods: ["GET", "DELETE"] },
  "file-content": { form: "chat", methods: ["GET"] },
  batches: { form: "chat", methods: ["GET", "POST"] },
  batch: { form: "chat", methods: ["GET"] },
  "batch-cancel": post("chat", { bodiless: true }),
  "message-batches": { form: "messages", methods: ["GET", "POST"] },
  "message-batch": { form: "messages", methods: ["GET", "DELETE"] },
  "message-batch-cancel": post("messages", { bodiless: true }),
  "message-batch-results": { form: "messages", methods: ["GET"] },
  "responses-input-tokens": post("responses"),
  "messages-count-tokens": post("messages"),
  "generate-content-count-tokens": post("generate-content"),
  response: { form: "responses", methods: ["GET", "DELETE"] },
  "response-input-items": { form: "responses", methods: ["GET"] },
  "response-cancel": post("responses", { bodiless: true }),
  feedback: post("chat"),
};

/** The facts of what is no chat; undefined for a chat surface. */
export function servedFacts(name: string): ServedFacts | undefined {
  return Object.hasOwn(SERVED, name) ? SERVED[name as keyof typeof SERVED] : undefined;
}

const OWNED: Readonly<Record<OwnedName, OwnedKind>> = {
  files: "files",
  file: "files",
  "file-content": "files",
  batches: "files",
  batch: "files",
  "batch-cancel": "files",
  "message-batches": "message-batches",
  "message-batch": "message-batches",
  "message-batch-cancel": "message-batches",
  "message-batch-results": "message-batches",
};
const PASSED: ReadonlySet<string> = new Set<PassName>([
  "moderations", "responses-compact", "image-generations", "image-edits", "image-variations", "audio-speech", "audio-transcriptions", "audio-translations", "rerank",
  "rerank-v2", "embed-v2", "embed-content", "batch-embed-contents",
]);

/** Does its body pass to providers of the same protocol, called by a model? */
export function isPassName(name: ServedName): name is PassName {
  return PASSED.has(name);
}

/** Is it about what a provider keeps? */
export function isOwnedName(name: ServedName): name is OwnedName {
  return Object.hasOwn(OWNED, name);
}

/** What its account keeps. */
export function ownedKind(name: OwnedName): OwnedKind {
  return OWNED[name];
}

/** Is it about responses that the gateway keeps? */
export function isKeptName(name: ServedName): name is KeptName {
  return name === "response" || name === "response-input-items" || name === "response-cancel";
}

const COUNTS: Readonly<Record<CountName, SurfaceName>> = {
  "responses-input-tokens": "responses",
  "messages-count-tokens": "messages",
  "generate-content-count-tokens": "generate-content",
};

/** Does it count a prompt's tokens? */
export function isCountName(name: ServedName): name is CountName {
  return Object.hasOwn(COUNTS, name);
}

/** The chat surface whose prompts are counted. */
export function countedSurface(name: CountName): SurfaceName {
  return COUNTS[name];
}
