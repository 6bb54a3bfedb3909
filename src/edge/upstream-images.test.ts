/** Images by address: what a stranger's address may lead to, on real sockets. "Public" addresses are led to this machine by the test alone. */
import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { after, afterEach, before, describe, it } from "node:test";
import type { FetchedImage } from "../ports.ts";
import { isPublicAddress } from "./upstream-addresses.ts";
import { ImageFetcher, type ImageFetcherOptions } from "./upstream-images.ts";

const PNG = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "base64");
const PUBLIC = "93.184.215.14";

let server: Server;
let port = 0;
let answer: (request: IncomingMessage, response: ServerResponse) => void = () => undefined;
const seen: string[] = [];
let connections = 0;

before(async () => {
  server = createServer((request, response) => {
    seen.push(`${request.headers.host}${request.url}`);
    answer(request, response);
  });
  server.on("connection", () => connections++);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  ({ port } = server.address() as AddressInfo);
});
after(() => {
  server.closeAllConnections();
  server.close();
});
afterEach(() => {
  seen.length = 0;
  connections = 0;
});

const png = (_: IncomingMessage, response: ServerResponse): void => void response.writeHead(200, { "content-type": "image/png" }).end(PNG);
const NAMES: Readonly<Record<string, readonly string[]>> = {
  "img.example": [PUBLIC], "six.example": ["2606:2800:21f:cb07:6820:80da:af6b:8b2c"], "inside.example": ["127.0.0.1"], "both.example": [PUBLIC, "10.0.0.1"], "mapped.example": ["::ffff:127.0.0.1"],
  "metadata.google.internal": ["169.254.169.254"], localhost: ["127.0.0.1"], "none.example": [],
};

/** What was dialled, as it was checked. */
const dialled: string[] = [];
function fetcher(more: Partial<ImageFetcherOptions> = {}): ImageFetcher {
  dialled.length = 0;
  return new ImageFetcher({
    env: {},
    resolve: (name) => Promise.resolve(NAMES[name] ?? []),
    reach: (address) => {
      dialled.push(address);
      return { address: "127.0.0.1", port };
    },
    ...more,
  });
}
const get = (address: string, images = fetcher()): Promise<FetchedImage> => new Promise((resolve) => void images.load(address, resolve));
const why = async (address: string, images = fetcher()): Promise<string> => {
  const image = await get(address, images);
  return image.kind === "failed" ? image.why : "fetched";
};

describe("an address is public", () => {
  const NOT = [
    "0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.2.1", "192.168.1.1", "198.18.0.1", "198.51.100.7", "203.0.113.9", "224.0.0.1", "255.255.255.255",
    "::", "::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "100::1", "fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001::1", "2001:db8::1", "2002:7f00:1::", "3fff::1", "localhost", "", "8.8.8.8.8",
  ];
  it("where anybody could reach it", () => assert.deepEqual(["8.8.8.8", PUBLIC, "100.63.255.255", "172.32.0.1", "2606:4700::1111", "2a00:1450::1"].filter((one) => !isPublicAddress(one)), []));
  it("and nowhere else", () => assert.deepEqual(NOT.filter(isPublicAddress), []));
});

describe("an image", () => {
  it("comes with its type and bytes, from the address that was checked and under its name", async () => {
    answer = png;
    const image = await get("http://img.example/a.png?size=1#top");
    assert.deepEqual({ ...image, release: undefined }, { kind: "image", mediaType: "image/png", base64: PNG.toString("base64"), bytes: PNG.length, release: undefined });
    assert.deepEqual(dialled, [PUBLIC]);
    assert.deepEqual(seen, ["img.example/a.png?size=1"]);
  });

  it("comes from an address of the newer kind, and from one that is written out", async () => {
    answer = png;
    assert.equal((await get("http://six.example/a")).kind, "image");
    assert.equal((await get(`http://${PUBLIC}:8080/a`)).kind, "image");
    assert.equal((await get("http://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/a")).kind, "image");
  });

  it("comes after two redirects, and not after three", async () => {
    answer = (request, response) => {
      const step = Number(request.url?.slice(1));
      if (step === 0) png(request, response);
      else response.writeHead(302, { location: step % 2 === 0 ? `/${step - 1}` : `http://img.example/${step - 1}` }).end();
    };
    assert.equal((await get("http://img.example/2")).kind, "image");
    assert.equal(await why("http://img.example/3"), "it was redirected more than 2 times");
  });

  it("carries no credential, cookie or word of the request to its host", async () => {
    let headers: IncomingMessage["headers"] = {};
    answer = (request, response) => {
      ({ headers } = request);
      png(request, response);
    };
    await get("http://img.example/a");
    assert.deepEqual(Object.keys(headers).toSorted(), ["accept", "accept-encoding", "connection", "host", "user-agent"]);
  });
});

describe("no socket is opened", () => {
  const ROWS: readonly (readonly [address: string, why: string])[] = [
    ...[
      "http://127.0.0.1:PORT/a", "http://localhost:PORT/a", "http://127.1:PORT/", "http://2130706433:PORT/", "http://0x7f000001:PORT/", "http://0x7f.1:PORT/", "http://0177.0.0.1:PORT/", "http://017700000001:PORT/", "http://0:PORT/", "http://127.0.0.1.:PORT/", "http://①②⑦.⓪.⓪.①:PORT/", "http://１２７.0.0.1:PORT/",
      "http://[::1]:PORT/", "http://[::]:PORT/", "http://[::ffff:127.0.0.1]:PORT/", "http://[::ffff:7f00:1]:PORT/", "http://[::127.0.0.1]:PORT/", "http://[64:ff9b::7f00:1]:PORT/", "http://[fe80::1]/", "http://[fd00:ec2::254]/", "http://[2002:7f00:1::]/",
      "http://169.254.169.254/latest/meta-data/", "http://2852039166/", "http://0xa9fea9fe/", "http://metadata.google.internal/", "http://10.0.0.1/", "http://192.168.0.1/", "http://172.16.0.1/", "http://100.64.0.1/", "http://100.100.100.200/",
      "http://inside.example/a", "http://both.example/a", "http://mapped.example/a", "https://inside.example/a", "HTTP:\\\\127.0.0.1:PORT\\a", "http:/127.0.0.1:PORT/a",
    ].map((address) => [address, "its host is not public"] as const),
    ["http://none.example/a", "its host has no address"],
    ["http://user:pass@img.example/a", "it holds a credential"],
    ["http://img.example@127.0.0.1:PORT/", "it holds a credential"],
    ["ftp://img.example/a", "only http and https are fetched"],
    ["file:///etc/passwd", "only http and https are fetched"],
    ["gopher://127.0.0.1:PORT/_x", "only http and https are fetched"],
    ["data:image/png;base64,AAAA", "only http and https are fetched"],
    ["http://img.example:22/a", "port 22 is none of the web"],
    ["http://img.example:25/a", "port 25 is none of the web"],
    ["http://", "it is no address"],
    ["//img.example/a", "it is no address"],
    ["http://127.0.0.1%2f@img.example/", "it holds a credential"],
  ];
  for (const [address, expected] of ROWS) {
    it(`for ${address}`, async () => {
      answer = png;
      assert.equal(await why(address.replace("PORT", String(port))), expected);
      assert.deepEqual(dialled, []);
      assert.equal(connections, 0);
    });
    it(`but to where it came from, for a redirect to ${address}`, async () => {
      answer = (_, response) => void response.writeHead(307, { location: encodeURI(address.replace("PORT", String(port))) }).end();
      assert.notEqual(await why("http://img.example/a"), "fetched");
      // Some of them are a path, or a host, of where the redirect came from.
      assert.deepEqual([...new Set(dialled)], [PUBLIC]);
      assert.equal(connections, dialled.length);
    });
  }

  it("where the way out is a proxy, behind which an address cannot be checked", async () => {
    assert.match(await why("http://img.example/a", fetcher({ env: { HTTP_PROXY: "http://proxy.example:3128" } })), /through a proxy only/);
    assert.equal(connections, 0);
  });

  it("to a name's second answer: it is resolved once, and what is dialled is what was checked", async () => {
    answer = png;
    let asked = 0;
    const images = fetcher({ resolve: () => Promise.resolve(asked++ === 0 ? [PUBLIC] : ["127.0.0.1"]) });
    assert.equal((await get("http://img.example/a", images)).kind, "image");
    assert.deepEqual([asked, dialled], [1, [PUBLIC]]);
    assert.equal(await why("http://img.example/a", images), "its host is not public");
  });
});

describe("what is no image is refused", () => {
  const told = (head: Record<string, string>, body: string | Buffer = PNG, status = 200) => (_: IncomingMessage, response: ServerResponse): void => void response.writeHead(status, head).end(body);
  const ROWS: readonly (readonly [what: string, answer: typeof answer, why: string])[] = [
    ["a page", told({ "content-type": "text/html" }, "<html>"), "it is no image"],
    ["a page that calls itself something like one", told({ "content-type": "text/html; image/png" }), "it is no image"],
    ["what has no type", told({}), "it is no image"],
    ["an error, whatever its type", told({ "content-type": "image/png" }, PNG, 404), "its server answered 404"],
    ["a part of one", told({ "content-type": "image/png" }, PNG, 206), "its server answered 206"],
    ["nothing", told({ "content-type": "image/png" }, ""), "it is empty"],
    ["what is compressed, of which a little may become much", told({ "content-type": "image/png", "content-encoding": "gzip" }), "it is compressed"],
    ["what says that it is too large", told({ "content-type": "image/png", "content-length": String((20 << 20) + 1) }, ""), "it has more than 20 MiB"],
    ["a redirect to nowhere", told({}, "", 302), "it was redirected to nowhere"],
    [
      "what breaks off",
      (_, response) => {
        response.writeHead(200, { "content-type": "image/png", "content-length": "1000" }).write(PNG);
        setImmediate(() => response.destroy());
      },
      "its server could not be reached",
    ],
    [
      "what never ends",
      (_, response) => {
        const piece = Buffer.alloc(1 << 20);
        response.writeHead(200, { "content-type": "image/png" });
        const more = (): void => {
          while (!response.destroyed && response.write(piece));
        };
        response.on("drain", more);
        more();
      },
      "it has more than 20 MiB",
    ],
  ];
  for (const [what, answering, expected] of ROWS) {
    it(`: ${what}`, async () => {
      answer = answering;
      assert.equal(await why("http://img.example/a"), expected);
    });
  }

  it(": what comes under a certificate of somebody else's", async () => {
    const of = (name: string): string => readFileSync(new URL(`../../test/fixtures/tls/${name}`, import.meta.url), "utf8");
    const secure = createTlsServer({ cert: of("test-cert.pem"), key: of("test-key.pem") }, png);
    await new Promise<void>((resolve) => secure.listen(0, "127.0.0.1", resolve));
    const images = fetcher({ reach: () => ({ address: "127.0.0.1", port: (secure.address() as AddressInfo).port }) });
    assert.equal(await why("https://img.example/a", images), "its certificate is not trusted");
    secure.close();
  });
});

describe("time, number and memory are bounded", () => {
  it("a host that says nothing, or a byte now and then, has until the end of the time for all", async () => {
    answer = () => undefined;
    assert.equal(await why("http://img.example/a", fetcher({ wholeMs: 100 })), "not within 0.1 s");
    answer = (_, response) => {
      response.writeHead(200, { "content-type": "image/png" });
      const drip = setInterval(() => response.write("x"), 10);
      response.on("close", () => clearInterval(drip));
    };
    assert.equal(await why("http://img.example/a", fetcher({ wholeMs: 150 })), "not within 0.15 s");
    answer = (request, response) => void setTimeout(() => response.writeHead(302, { location: `${request.url}x` }).end(), 60);
    assert.equal(await why("http://img.example/a", fetcher({ wholeMs: 100 })), "not within 0.1 s");
    assert.equal(await why("http://img.example/a", fetcher({ wholeMs: 50, resolve: () => new Promise((resolve) => void setTimeout(resolve, 80, [PUBLIC])) })), "not within 0.05 s");
  });

  it("who does not want it any more hears nothing of it, and its socket is closed", async () => {
    const closed = new Promise<void>((resolve) => {
      answer = (request) => {
        request.socket.on("close", () => resolve());
        cancel();
      };
    });
    let told = false;
    const timer = fetcher().load("http://img.example/a", () => (told = true));
    const cancel = (): void => timer.cancel();
    await closed;
    assert.equal(told, false);
  });

  it("sixteen are fetched at once; others wait their turn, a few hundred of them", async () => {
    const held: ServerResponse[] = [];
    let full: () => void = () => undefined;
    const sixteen = new Promise<void>((resolve) => (full = resolve));
    answer = (_, response) => {
      held.push(response);
      if (held.length === 16) full();
    };
    const images = fetcher();
    const all = Array.from({ length: 16 + 256 }, (_, i) => why(`http://img.example/${i}`, images));
    await sixteen;
    assert.equal(await why("http://img.example/more", images), "too many images are being fetched just now");
    assert.equal(connections, 16);
    answer = png;
    for (const response of held) png({} as IncomingMessage, response);
    assert.deepEqual(new Set(await Promise.all(all)), new Set(["fetched"]));
  });

  it("what requests hold together is bounded until they let it go", async () => {
    answer = png;
    const images = fetcher({ mostHeldBytes: PNG.length + 10 });
    const first = await get("http://img.example/a", images);
    assert.equal(await why("http://img.example/b", images), "the gateway holds too many images just now");
    assert.ok(first.kind === "image");
    first.release();
    first.release();
    assert.equal(await why("http://img.example/c", images), "fetched");
  });
});
