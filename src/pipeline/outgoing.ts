/** The upstream call of one attempt: what the surface prepared, sent the way the account is reached. */
import type { Deployment, RouteClocks } from "../decide/deployment.ts";
import type { UpstreamRequest } from "../ports.ts";
import { without } from "./answer-headers.ts";
import type { Transport } from "./deps.ts";
import type { Prepared } from "./surface.ts";

/** `attemptId` goes along where the provider has a header for it. */
export function outgoing(prepared: Extract<Prepared, { kind: "prepared" }>, deployment: Deployment, transport: Transport, clocks: RouteClocks, attemptId: string): UpstreamRequest {
  const headers = prepared.replaces === undefined ? [...transport.headers] : [...without(transport.headers, prepared.replaces)];
  for (const text of prepared.headers) headers.push(text);
  const idHeader = deployment.provider.requestIdHeader;
  if (idHeader !== null) headers.push(idHeader, attemptId);
  return {
    origin: transport.origin,
    path: prepared.rooted === true ? prepared.path : transport.basePath + prepared.path,
    method: prepared.method ?? "POST",
    headers,
    body: prepared.body,
    connectTimeoutMs: clocks.connectMs,
    proxyUrl: transport.proxyUrl,
    caFile: transport.caFile,
  };
}
