/** What went wrong below HTTP, in the words of the port; for every adapter of it. */
import type { UpstreamFailure } from "../ports.ts";

/** Name an error by its code. Codes are Node's, undici's, and the few that our own client sets. */
export function describeFailure(error: Error, sent: boolean): UpstreamFailure {
  const code = (error as { code?: string }).code ?? "";
  const cause = (error as { cause?: { code?: string } }).cause?.code ?? "";
  const any = `${code} ${cause}`;
  const message = error.message.slice(0, 300);
  const network = (reason: string): UpstreamFailure => ({ class: "network", reason, sent, message });
  if (/ECONNREFUSED/.test(any)) return network("refused");
  if (/ENOTFOUND|EAI_AGAIN|EAI_/.test(any)) return network("dns");
  if (/CONNECT_TIMEOUT|ETIMEDOUT/.test(any)) return network("connect_timeout");
  if (/ERR_TLS|CERT|SSL|UNABLE_TO_VERIFY|SELF_SIGNED|DEPTH_ZERO/.test(any)) return network("tls");
  if (/ECONNRESET|EPIPE/.test(any)) return network("reset");
  if (/HEADERS_OVERFLOW/.test(any)) return { class: "too_large", reason: "protocol", sent, message };
  // undici gives its parser's errors a name and, in some versions, no code.
  if (error.name === "HTTPParserError" || /HPE_|CONTENT_LENGTH/.test(any)) return { class: "malformed", reason: "protocol", sent, message };
  if (/UND_ERR_SOCKET/.test(any)) return network("closed");
  return network(code === "" ? "failed" : code.toLowerCase());
}
