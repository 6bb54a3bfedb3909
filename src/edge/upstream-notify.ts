/**
 * Brings alerts to webhooks and mail servers. Their addresses are the operator's, so they may be private; those of
 * organisations that are guests here are checked where the socket is made. No redirects, ten seconds, certificates checked.
 */
import { lookup as lookupName, type LookupAddress } from "node:dns";
import { lookup } from "node:dns/promises";
import { isIP, type LookupFunction } from "node:net";
import { createTransport } from "nodemailer";
import { Agent, ProxyAgent, request, type Dispatcher } from "undici";
import type { Delivery, NoticeReach, NoticeTransport } from "../ports.ts";
import { withoutSecrets } from "../wire/pieces.ts";
import { isPublicAddress } from "./upstream-addresses.ts";
import { EnvironmentProxies } from "./upstream-origins.ts";

const WHOLE_MS = 10_000;
const WITHIN = "its address is within the network of the gateway, which is for channels of the configuration or of the organisation default";

export interface NoticeSenderOptions {
  /** Environment to take proxies from. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly wholeMs?: number;
}

export class NoticeSender implements NoticeTransport {
  readonly #wholeMs: number;
  readonly #proxies: EnvironmentProxies;

  constructor(options: NoticeSenderOptions) {
    this.#wholeMs = options.wholeMs ?? WHOLE_MS;
    this.#proxies = new EnvironmentProxies(options.env);
  }

  async post(url: string, headers: Readonly<Record<string, string>>, body: string, reach: NoticeReach): Promise<Delivery> {
    let dispatcher: Dispatcher | null = null;
    try {
      const { origin, hostname } = new URL(url);
      const host = hostname.replace(/^\[|\]$/g, "");
      if (reach.publicOnly && isIP(host) !== 0 && !isPublicAddress(host)) return failed(WITHIN, false);
      const proxy = this.#proxies.of(origin);
      if (proxy !== null && reach.publicOnly) return failed("it would be reached through a proxy, behind which its address cannot be checked", false);
      // Alerts are few: a connection for each needs no looking after.
      const connect = { timeout: this.#wholeMs, ...(reach.publicOnly ? { lookup: publicLookup } : {}) };
      dispatcher = proxy === null ? new Agent({ connect, pipelining: 0 }) : new ProxyAgent({ uri: proxy });
      const signal = AbortSignal.timeout(this.#wholeMs);
      const answer = await request(url, { method: "POST", headers: { "user-agent": "spillway", ...headers }, body, dispatcher, signal });
      return ofStatus(answer.statusCode, answer.headers["retry-after"]);
    } catch (error) {
      return failed(whyOf(error, this.#wholeMs), !(error instanceof NotPublic));
    } finally {
      // What else it answers is nothing to us: the socket goes with it.
      dispatcher?.destroy().catch((error: unknown) => process.emitWarning(String(error)));
    }
  }

  async mail(server: Parameters<NoticeTransport["mail"]>[0], message: Parameters<NoticeTransport["mail"]>[1], reach: NoticeReach): Promise<Delivery> {
    let close: (() => void) | null = null;
    try {
      const host = reach.publicOnly ? await publicAddressOf(server.host) : server.host;
      const waitMs = this.#wholeMs;
      const transport = createTransport({
        host,
        port: server.port,
        secure: server.tls === "tls",
        requireTLS: server.tls === "starttls",
        ignoreTLS: server.tls === "none",
        tls: isIP(server.host) === 0 ? { servername: server.host, rejectUnauthorized: true } : { rejectUnauthorized: true },
        ...(server.user === null ? {} : { auth: { user: server.user, pass: server.password ?? "" } }),
        connectionTimeout: waitMs, greetingTimeout: waitMs, socketTimeout: waitMs, dnsTimeout: waitMs,
        // An alert is a text of ours: nothing of it may make the mailer read a file or fetch an address.
        disableFileAccess: true, disableUrlAccess: true,
      });
      close = () => transport.close();
      const sent = transport.sendMail({ from: server.from, to: [...server.to], subject: message.subject, text: message.text, messageId: `<${message.id}@spillway>` });
      await within(sent, waitMs);
      return { kind: "delivered" };
    } catch (error) {
      return failed(withoutSecrets(whyOf(error, this.#wholeMs), passwordForms(server)), isWorthRetrying(error));
    } finally {
      close?.();
    }
  }
}

/** Leads to where it may not. */
class NotPublic extends Error {}
class TooLate extends Error {}

/** What an answer means: most refusals stay what they are, whoever is busy may be asked again. */
function ofStatus(status: number, retryAfter: string | string[] | undefined): Delivery {
  if (status >= 200 && status < 300) return { kind: "delivered" };
  const seconds = typeof retryAfter === "string" && /^\d{1,6}$/.test(retryAfter) ? Number(retryAfter) : null;
  const retry = status >= 500 || status === 408 || status === 425 || status === 429;
  const message = status >= 300 && status < 400 ? `answered ${status}; redirects are not followed` : `answered ${status}`;
  return { kind: "failed", retry, message, retryAfterMs: seconds === null ? null : seconds * 1_000 };
}

function failed(message: string, retry: boolean): Delivery {
  return { kind: "failed", retry, message, retryAfterMs: null };
}

/** Everything that the name leads to has to be public. */
const publicLookup: LookupFunction = (hostname, options, callback) => {
  lookupName(hostname, { ...options, all: true }, (error, addresses: LookupAddress[]) => {
    const first = addresses?.[0];
    if (error !== null) callback(error, "", 4);
    else if (first === undefined || !addresses.every(({ address }) => isPublicAddress(address))) callback(new NotPublic(WITHIN), "", 4);
    else if (options.all === true) callback(null, addresses);
    else callback(null, first.address, first.family);
  });
};

async function publicAddressOf(host: string): Promise<string> {
  const addresses = isIP(host) === 0 ? (await lookup(host, { all: true })).map(({ address }) => address) : [host];
  const [first] = addresses;
  if (first === undefined || !addresses.every(isPublicAddress)) throw new NotPublic(WITHIN);
  return first;
}

async function within<T>(work: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new TooLate()), ms).unref();
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A mail server's 5xx, a login that it refuses, and missing encryption are for good. */
function isWorthRetrying(error: unknown): boolean {
  if (error instanceof NotPublic) return false;
  const { code, responseCode } = error as { code?: unknown; responseCode?: unknown };
  if (code === "EAUTH" || code === "ETLS" || code === "EENVELOPE") return typeof responseCode === "number" && responseCode < 500;
  return typeof responseCode !== "number" || responseCode < 500;
}

/** A password as a mail server may repeat it: as it is, and as it was sent. */
function passwordForms({ user, password }: { readonly user: string | null; readonly password: string | null }): readonly string[] {
  if (password === null) return [];
  return [password, ...[password, `\0${user ?? ""}\0${password}`].map((text) => Buffer.from(text).toString("base64"))];
}

/** In few words, without addresses beyond what the network says. */
function whyOf(error: unknown, wholeMs: number): string {
  if (error instanceof TooLate || (error instanceof Error && (error.name === "TimeoutError" || error.name === "AbortError"))) return `no answer within ${wholeMs / 1_000} s`;
  if (!(error instanceof Error)) return String(error);
  return error.message.split("\n")[0]?.slice(0, 200) ?? error.name;
}
