/** Calls for tokens and keys: small, bounded in bytes and time, and through the same port as everything that goes out. */
import type { Clock, Upstream } from "../ports.ts";
import { withoutSecrets } from "../wire/pieces.ts";

/** What fetching a credential needs of the world. `proxyUrl` and `caFile` are the account's. */
export interface CredentialPorts {
  readonly upstream: Upstream;
  readonly clock: Clock;
  /** Throws where it cannot be read. Only called at a renewal. */
  readonly readFile: (path: string) => string;
  readonly proxyUrl: string | null;
  readonly caFile: string | null;
}

/** Why there is no credential. `auth`: it was refused or cannot be used; `network`: another time may do. */
export class CredentialError extends Error {
  readonly failureClass: "auth" | "network";
  constructor(failureClass: "auth" | "network", message: string) {
    super(message);
    this.failureClass = failureClass;
  }
}

export interface CredentialCall {
  readonly url: string;
  readonly method: "POST" | "GET";
  /** Flat. */
  readonly headers: readonly string[];
  readonly body: Uint8Array | null;
}
export interface CredentialAnswer {
  readonly status: number;
  readonly text: string;
}

const CONNECT_MS = 2_000;
const WHOLE_MS = 10_000;
const MOST_BYTES = 256 << 10;

/** Make the call; resolves with any answer, rejects with `network` where there is none. */
export function callForCredential(ports: CredentialPorts, call: CredentialCall): Promise<CredentialAnswer> {
  const url = new URL(call.url);
  return new Promise((resolve, reject) => {
    let status = 0;
    let bytes = 0;
    const pieces: Uint8Array[] = [];
    const fail = (why: string): void => {
      timer.cancel();
      reject(new CredentialError("network", `no credential from ${url.host}: ${why}`));
    };
    const timer = ports.clock.after(WHOLE_MS, () => {
      sent.abort();
      fail(`no answer within ${WHOLE_MS / 1_000} s`);
    });
    const sent = ports.upstream.send(
      { origin: url.origin, path: url.pathname + url.search, method: call.method, headers: call.headers, body: call.body, connectTimeoutMs: CONNECT_MS, proxyUrl: ports.proxyUrl, caFile: ports.caFile },
      {
        onSent: () => undefined,
        onHeaders: (told) => void (status = told),
        onData: (chunk) => {
          bytes += chunk.length;
          if (bytes <= MOST_BYTES) {
            pieces.push(Uint8Array.from(chunk));
            return;
          }
          sent.abort();
          fail("an answer beyond all measure");
        },
        onEnd: () => {
          timer.cancel();
          resolve({ status, text: new TextDecoder().decode(Buffer.concat(pieces)) });
        },
        onFailure: (failure) => fail(`${failure.reason} (${failure.message})`),
      },
    );
  });
}

/** A form as a body. */
export function formBody(fields: Readonly<Record<string, string>>): Uint8Array {
  return new TextEncoder().encode(new URLSearchParams(fields).toString());
}

/** The error of an answer with this status: its own fault where it says that ours is the wrong credential. `sent`: secrets that it may repeat. */
export function refusedCredential(host: string, status: number, words: string, sent: readonly (string | null | undefined)[]): CredentialError {
  const ours = status >= 400 && status < 500 && status !== 408 && status !== 429;
  // As they are, and as they stood in the form or address.
  const secrets = sent.flatMap((one) => (one === null || one === undefined ? [] : [one, encodeURIComponent(one)]));
  return new CredentialError(ours ? "auth" : "network", `${host} gave no credential (${status}): ${withoutSecrets(words, secrets).slice(0, 300)}`);
}
