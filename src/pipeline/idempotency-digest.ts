/** Under which name a request with an Idempotency-Key is known, and what a repeat of it has to be equal in. */
import { createHash } from "node:crypto";
import type { InboundCall } from "../ports.ts";
import { boundaryOf } from "../wire/multipart.ts";

/** A key is a tenant's: no name of another can be the same. */
export function nameOf(tenant: string, key: string): string {
  return createHash("sha256").update(JSON.stringify([tenant, key])).digest("base64url");
}

/** Who asks, of what, with which bytes. The boundary of a form is drawn anew by each try, so it is left out of them. */
export function digestOf({ caller, asked, body, header }: Pick<InboundCall, "caller" | "asked" | "body" | "header">): string {
  const { surface, method = "POST", form = null, model = null, stream = null, id = null } = asked;
  const query = asked.query.split("&").filter((one) => !/^key=/i.test(one));
  const hash = createHash("sha256").update(JSON.stringify([caller.key, method, surface, form, model, stream, id, query]));
  const type = header("content-type") ?? "";
  const boundary = /^multipart\//i.test(type) ? boundaryOf(type) : undefined;
  if (boundary === undefined) return hash.update(body).digest("base64url");
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  for (let at = 0; ; ) {
    const next = bytes.indexOf(boundary, at, "latin1");
    hash.update(bytes.subarray(at, next < 0 ? bytes.length : next)).update("\n");
    if (next < 0) return hash.digest("base64url");
    at = next + boundary.length;
  }
}
