/**
 * A look of our own at something that an account keeps: a GET with its credential, by the way that requests go, and by no
 * request's leave. Every wait of it ends.
 */
import { DEFAULT_CLOCKS } from "../decide/deployment.ts";
import type { Clock, Timer, Upstream, UpstreamCall, UpstreamRequest } from "../ports.ts";
import type { Transport } from "./deps.ts";

/** `gone`: there is no such thing. `failed`: it may be there, and was not had; why, in a word. */
export type Got = { readonly kind: "ok" } | { readonly kind: "gone" } | { readonly kind: "failed"; readonly why: string };

export interface AccountGet {
  /** Below the account's address. */
  readonly path: string;
  readonly headers: readonly string[];
  /** More is too much. */
  readonly maxBytes: number;
  /** What came of an answer, piece by piece; not to be kept. */
  readonly onData: (chunk: Uint8Array) => void;
}

const IDLE_MS = 60_000;
const LIFETIME_MS = 3_600_000;
const GONE: ReadonlySet<number> = new Set([404, 410]);

/** Ask; never rejects. `stopped` aborts it. */
export function getFromAccount(world: { readonly clock: Clock; readonly upstream: Upstream }, transport: Transport, get: AccountGet, stopped: AbortSignal): Promise<Got> {
  const request: UpstreamRequest = {
    origin: transport.origin, path: transport.basePath + get.path, method: "GET", headers: [...transport.headers, ...get.headers], body: null,
    connectTimeoutMs: DEFAULT_CLOCKS.connectMs, proxyUrl: transport.proxyUrl, caFile: transport.caFile,
  };
  return new Promise((resolve) => {
    let call: UpstreamCall | null = null;
    let status = 0;
    let bytes = 0;
    let over = false;
    let idle: Timer | null = null;
    const end = (got: Got): void => {
      if (over) return;
      over = true;
      idle?.cancel();
      lifetime.cancel();
      stopped.removeEventListener("abort", stop);
      call?.abort();
      resolve(got);
    };
    const failed = (why: string): void => end({ kind: "failed", why });
    const stop = (): void => failed("stopped");
    const alive = (): void => {
      idle?.cancel();
      idle = world.clock.after(IDLE_MS, () => failed("timeout"));
    };
    const lifetime = world.clock.after(LIFETIME_MS, () => failed("timeout"));
    stopped.addEventListener("abort", stop);
    alive();
    const send = (proof: readonly string[]): void => {
      if (over) return;
      call = world.upstream.send({ ...request, headers: [...request.headers, ...proof] }, {
        onSent: () => undefined,
        onHeaders(told) {
          status = told;
          if (GONE.has(told)) end({ kind: "gone" });
          else if (told < 200 || told >= 300) failed(`status ${told}`);
        },
        onData(chunk) {
          if (over) return;
          alive();
          bytes += chunk.length;
          if (bytes > get.maxBytes) failed("too_large");
          else if (status !== 0) get.onData(chunk);
        },
        onEnd: () => end({ kind: "ok" }),
        onFailure: (failure) => failed(failure.reason),
      });
    };
    if (stopped.aborted) stop();
    else if (transport.authorize === undefined) send([]);
    else Promise.resolve().then(() => transport.authorize?.(request) ?? []).then(send, () => failed("no credential"));
  });
}
