/** Where calls may go, and through which proxy: the same for every adapter that opens sockets. */

/** The origins of the running configuration; anything else is refused before a socket exists. */
export class AllowedOrigins {
  #now: ReadonlySet<string> = new Set();
  #before: ReadonlySet<string> = new Set();

  /** Those of the configuration before stay allowed, since requests that began with it may still fail over within it. */
  replace(origins: Iterable<string>): void {
    this.#before = this.#now;
    this.#now = new Set(origins);
  }

  has(origin: string): boolean {
    return this.#now.has(origin) || this.#before.has(origin);
  }
}

/** The environment's proxy by origin. Origins are those of the configuration, so they are few. */
export class EnvironmentProxies {
  readonly #env: Readonly<Record<string, string | undefined>>;
  readonly #known = new Map<string, string | null>();

  constructor(env: Readonly<Record<string, string | undefined>>) {
    this.#env = env;
  }

  /** Address of the proxy for an origin; null where it is reached directly. */
  of(origin: string): string | null {
    let proxy = this.#known.get(origin);
    if (proxy === undefined) {
      proxy = this.#read(origin);
      this.#known.set(origin, proxy);
    }
    return proxy;
  }

  #read(origin: string): string | null {
    const url = new URL(origin);
    const name = url.protocol === "https:" ? "HTTPS_PROXY" : "HTTP_PROXY";
    const proxy = this.#env[name] ?? this.#env[name.toLowerCase()];
    if (proxy === undefined || proxy === "" || isLoopback(url.hostname)) return null;
    const exceptions = (this.#env["NO_PROXY"] ?? this.#env["no_proxy"] ?? "").split(",").map((one) => one.trim().toLowerCase());
    return exceptions.some((one) => matchesNoProxy(url, one)) ? null : proxy;
  }
}

function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || hostname.startsWith("127.");
}

function matchesNoProxy(url: URL, pattern: string): boolean {
  if (pattern === "") return false;
  if (pattern === "*") return true;
  const host = url.hostname.toLowerCase();
  const bare = pattern.replace(/^\*?\./, "");
  return host === bare || host.endsWith(`.${bare}`) || url.host.toLowerCase() === pattern;
}
