/**
 * Fetches images whose addresses came in requests. A request must never lead the gateway to a place that only the gateway
 * can reach: names are resolved here, every address that a name has must be public, and the socket goes to the very
 * address that was checked. Redirects go through the same checks. Bounded in size, time, number and memory.
 */
import { Resolver } from "node:dns/promises";
import { request as requestPlain, type ClientRequest, type IncomingMessage } from "node:http";
import { request as requestTls, type RequestOptions } from "node:https";
import { isIP } from "node:net";
import type { FetchedImage, ImageFetch, Timer } from "../ports.ts";
import { isPublicAddress } from "./upstream-addresses.ts";
import { EnvironmentProxies } from "./upstream-origins.ts";

const MOST_BYTES = 20 << 20;
const MOST_REDIRECTS = 2;
const WHOLE_MS = 10_000;
const DNS_MS = 3_000;
/** Fetched at once, and waiting for it, by all requests together. */
const AT_ONCE = 16;
const MOST_WAITING = 256;
/** Of images that requests hold and that are on their way, all together. */
const MOST_HELD_BYTES = 64 << 20;
const REDIRECTS: readonly number[] = [301, 302, 303, 307, 308];
/** Web ports, and those that no service of the system has. */
const PORTS: readonly number[] = [80, 443];
const FIRST_FREE_PORT = 1024;

export interface ImageFetcherOptions {
  /** Environment to take proxies from. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** All addresses of a name, for tests; absent: DNS. */
  readonly resolve?: (name: string) => Promise<readonly string[]>;
  /** Where a checked address is really reached, for tests, which have no public one. */
  readonly reach?: (address: string, port: number) => { readonly address: string; readonly port: number };
  readonly wholeMs?: number;
  readonly mostHeldBytes?: number;
}

/** Why an image cannot be had, in words for the client. */
class Refused extends Error {}

export class ImageFetcher implements ImageFetch {
  readonly #options: ImageFetcherOptions;
  readonly #proxies: EnvironmentProxies;
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  #heldBytes = 0;

  constructor(options: ImageFetcherOptions) {
    this.#options = options;
    this.#proxies = new EnvironmentProxies(options.env);
  }

  load(address: string, done: (image: FetchedImage) => void): Timer {
    const { wholeMs = WHOLE_MS } = this.#options;
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(new Refused(`not within ${wholeMs / 1_000} s`)), wholeMs).unref();
    let cancelled = false;
    void this.#fetch(address, stop.signal)
      .catch((error: unknown): FetchedImage => ({ kind: "failed", why: whyOf(stop.signal.aborted ? stop.signal.reason : error) }))
      .then((image) => {
        clearTimeout(timer);
        if (!cancelled) done(image);
        else if (image.kind === "image") image.release();
      })
      // Whoever was told of it has failed: there is nobody left to tell, but the operator should know.
      .catch((error: unknown) => process.emitWarning(error instanceof Error ? error : new Error(String(error))));
    return {
      cancel: () => {
        cancelled = true;
        stop.abort(new Refused("not wanted any more"));
      },
    };
  }

  async #fetch(address: string, signal: AbortSignal): Promise<FetchedImage> {
    await this.#turn(signal);
    let held = 0;
    const hold = (bytes: number): void => {
      if (this.#heldBytes + bytes > (this.#options.mostHeldBytes ?? MOST_HELD_BYTES)) throw new Refused("the gateway holds too many images just now");
      held += bytes;
      this.#heldBytes += bytes;
    };
    const release = (): void => {
      this.#heldBytes -= held;
      held = 0;
    };
    try {
      const { mediaType, bytes } = await this.#follow(address, signal, hold);
      return { kind: "image", mediaType, base64: bytes.toString("base64"), bytes: bytes.length, release };
    } catch (error) {
      release();
      throw error;
    } finally {
      this.#running--;
      this.#waiting.shift()?.();
    }
  }

  /** Wait until there is room for one more. */
  #turn(signal: AbortSignal): Promise<void> {
    if (this.#running < AT_ONCE) {
      this.#running++;
      return Promise.resolve();
    }
    if (this.#waiting.length >= MOST_WAITING) return Promise.reject(new Refused("too many images are being fetched just now"));
    return new Promise((resolve, reject) => {
      const go = (): void => {
        this.#running++;
        resolve();
      };
      this.#waiting.push(go);
      signal.addEventListener("abort", () => {
        const at = this.#waiting.indexOf(go);
        if (at < 0) return;
        this.#waiting.splice(at, 1);
        reject(signal.reason as Error);
      });
    });
  }

  async #follow(address: string, signal: AbortSignal, hold: (bytes: number) => void): Promise<{ readonly mediaType: string; readonly bytes: Buffer }> {
    let url = address;
    for (let redirects = 0; ; redirects++) {
      const answer = await this.#open(checkedUrl(url), signal);
      const { statusCode = 0, headers } = answer;
      if (!REDIRECTS.includes(statusCode)) return readImage(answer, hold);
      answer.destroy();
      if (redirects >= MOST_REDIRECTS) throw new Refused(`it was redirected more than ${MOST_REDIRECTS} times`);
      if (headers.location === undefined || !URL.canParse(headers.location, url)) throw new Refused("it was redirected to nowhere");
      const next = new URL(headers.location, url);
      if (url.startsWith("https:") && next.protocol === "http:") throw new Refused("it was redirected from https to http");
      url = next.href;
    }
  }

  /** The answer's head. The name is resolved once, and what is dialled is what was checked. */
  async #open(url: URL, signal: AbortSignal): Promise<IncomingMessage> {
    if (this.#proxies.of(url.origin) !== null) throw new Refused("the gateway reaches it through a proxy only, behind which its address cannot be checked");
    const host = url.hostname.replace(/^\[|\]$/g, "");
    const addresses = isIP(host) === 0 ? await this.#resolve(host, signal) : [host];
    if (addresses.length === 0) throw new Refused("its host has no address");
    if (!addresses.every(isPublicAddress)) throw new Refused("its host is not public");
    signal.throwIfAborted();
    const secure = url.protocol === "https:";
    const port = url.port === "" ? (secure ? 443 : 80) : Number(url.port);
    const at = { address: addresses[0] as string, port };
    const reached = this.#options.reach?.(at.address, at.port) ?? at;
    return send(secure ? requestTls : requestPlain, {
      host: reached.address, port: reached.port, path: url.pathname + url.search, method: "GET", agent: false, signal, servername: isIP(host) === 0 ? host : "",
      headers: { host: url.host, accept: "image/*", "accept-encoding": "identity", "user-agent": "spillway" },
    });
  }

  /** All addresses of a name by DNS alone: what this machine calls its own by other ways stays unknown. */
  async #resolve(name: string, signal: AbortSignal): Promise<readonly string[]> {
    if (this.#options.resolve !== undefined) return this.#options.resolve(name);
    const resolver = new Resolver({ timeout: DNS_MS, tries: 2 });
    const cancel = (): void => resolver.cancel();
    signal.addEventListener("abort", cancel);
    try {
      const found = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
      return found.flatMap((one) => (one.status === "fulfilled" ? one.value : []));
    } finally {
      signal.removeEventListener("abort", cancel);
    }
  }
}

/** The address of a request or redirect, as far as it can be judged before its name is resolved. */
function checkedUrl(address: string): URL {
  if (!URL.canParse(address)) throw new Refused("it is no address");
  const url = new URL(address);
  if (url.protocol !== "https:" && url.protocol !== "http:") throw new Refused("only http and https are fetched");
  if (url.username !== "" || url.password !== "") throw new Refused("it holds a credential");
  const port = url.port === "" ? 443 : Number(url.port);
  if (!PORTS.includes(port) && port < FIRST_FREE_PORT) throw new Refused(`port ${port} is none of the web`);
  return url;
}

function send(request: (options: RequestOptions) => ClientRequest, options: RequestOptions): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const call = request(options);
    call.on("response", resolve);
    call.on("error", reject);
    call.on("upgrade", (_answer, socket) => {
      socket.destroy();
      reject(new Refused("it is no image"));
    });
    call.end();
  });
}

async function readImage(answer: IncomingMessage, hold: (bytes: number) => void): Promise<{ readonly mediaType: string; readonly bytes: Buffer }> {
  const { statusCode = 0, headers } = answer;
  const mediaType = /^image\/[a-z0-9.+-]+(?=\s*(?:;|$))/i.exec(headers["content-type"] ?? "")?.[0]?.toLowerCase();
  try {
    if (statusCode !== 200) throw new Refused(`its server answered ${statusCode}`);
    if (mediaType === undefined) throw new Refused("it is no image");
    if ((headers["content-encoding"] ?? "identity").toLowerCase() !== "identity") throw new Refused("it is compressed");
    if (Number(headers["content-length"] ?? 0) > MOST_BYTES) throw tooLarge();
    const pieces: Buffer[] = [];
    let length = 0;
    for await (const piece of answer as AsyncIterable<Buffer>) {
      length += piece.length;
      if (length > MOST_BYTES) throw tooLarge();
      hold(piece.length);
      pieces.push(piece);
    }
    if (!answer.complete) throw new Refused("it broke off");
    if (length === 0) throw new Refused("it is empty");
    return { mediaType, bytes: Buffer.concat(pieces, length) };
  } finally {
    answer.destroy();
  }
}

function tooLarge(): Refused {
  return new Refused(`it has more than ${MOST_BYTES >> 20} MiB`);
}

/** Our own words as they are; of the rest only what kind of failure it was. */
function whyOf(error: unknown): string {
  if (error instanceof Refused) return error.message;
  const code = (error as { readonly code?: unknown }).code;
  return /CERT|TLS|SSL|SELF_SIGNED|UNABLE_TO_VERIFY/.test(String(code)) ? "its certificate is not trusted" : "its server could not be reached";
}
