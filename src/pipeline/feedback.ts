/** POST /v1/feedback: what the caller of a request thought of its answer, once. Calls nobody and costs nothing; what is said is never logged. */
import { gatewayError, type GatewayError } from "../wire/errors.ts";
import { asString, type JsonObject } from "../wire/json.ts";
import { clientOf } from "../providers/dialects/clients.ts";
import { answerHeaders } from "./answer-headers.ts";
import type { Deps } from "./deps.ts";
import { readBody, refuse, type Inbound } from "./inbound.ts";

const COMMENT_BYTES_MAX = 2_000;
const ID_CHARS_MAX = 200;
const FIELDS: readonly string[] = ["request_id", "score", "comment"];
const encoder = new TextEncoder();

/** Serve one. */
export function serveFeedback(deps: Deps, inbound: Inbound): void {
  const told = take(deps, inbound);
  if ("code" in told) return refuse(inbound, told as GatewayError, (error) => clientOf("chat").encodeError(error, inbound.requestId));
  const facts = { requestId: inbound.requestId, route: null, deployment: null, attempts: 0, costNanoUsd: undefined, estimated: false, warnings: [], simulated: inbound.snapshot.simulated };
  inbound.reply.head(201, answerHeaders(facts, ["content-type", "application/json"]));
  inbound.reply.end(encoder.encode(JSON.stringify(told)));
  inbound.done();
}

/** What is answered. */
function take({ feedback, clock }: Deps, { caller, body: bytes }: Inbound): JsonObject | GatewayError {
  const body = readBody(bytes);
  if (body.kind === "error") return body.error;
  const { raw } = body;
  const strange = Object.keys(raw).find((name) => !FIELDS.includes(name));
  if (strange !== undefined) return gatewayError("unsupported_parameter", `${strange.slice(0, 80)} is not known; feedback has ${FIELDS.join(", ")}.`, { param: strange.slice(0, 80) });
  const id = asString(raw["request_id"]);
  if (id === undefined || id === "") return gatewayError("missing_field", "request_id is missing: the x-request-id of the answer.", { param: "request_id" });
  const { score } = raw;
  if (typeof score !== "number" || !(score === -1 || (score >= 0 && score <= 1))) return gatewayError("invalid_type", "score must be a number from 0 to 1, or -1 and 1 for thumbs down and up.", { param: "score" });
  const comment = raw["comment"] ?? null;
  if (comment !== null && typeof comment !== "string") return gatewayError("invalid_type", "comment must be text.", { param: "comment" });
  if (comment !== null && encoder.encode(comment).length > COMMENT_BYTES_MAX) return gatewayError("invalid_type", `comment has at most ${COMMENT_BYTES_MAX} bytes.`, { param: "comment" });
  const about = id.length > ID_CHARS_MAX ? null : (feedback?.requestOf(id) ?? null);
  // Whose it is is told to nobody else: somebody else's request is one that is not known.
  if (about === null || about.tenant !== caller.tenant || !about.keys.includes(caller.key)) return gatewayError("unknown_id", "This key made no request of that id.", { param: "request_id" });
  const { route, deployment } = about;
  const taken = feedback?.add({ requestId: id, tenant: caller.tenant, key: caller.key, atMs: clock.wallMs(), score, comment, route, deployment }) === true;
  return taken ? { object: "feedback", request_id: id, score } : gatewayError("feedback_given", "There is feedback on this request already; it is given once.", { param: "request_id" });
}
