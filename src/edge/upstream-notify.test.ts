import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createRaw, type AddressInfo, type Server } from "node:net";
import { after, describe, it } from "node:test";
import { NoticeSender } from "./upstream-notify.ts";
import { testMail, type MailOptions } from "./test-mail.ts";

const ANYWHERE = { publicOnly: false };
const servers: Server[] = [];
after(() => {
  for (const server of servers) {
    if ("closeAllConnections" in server) (server as unknown as { closeAllConnections(): void }).closeAllConnections();
    server.close();
  }
});

async function listening(server: Server): Promise<string> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function receiver(answer: (request: IncomingMessage, body: string, response: ServerResponse) => void): Promise<string> {
  return listening(createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8");
    request.on("data", (chunk: string) => (body += chunk));
    request.on("end", () => answer(request, body, response));
  }));
}

const sender = new NoticeSender({ env: {} });
const hasty = new NoticeSender({ env: {}, wholeMs: 150 });

describe("a webhook", () => {
  it("gets the very bytes and headers, by POST", async () => {
    const seen: unknown[] = [];
    const url = await receiver((request, body, response) => {
      seen.push(request.method, request.url, body, request.headers["x-spillway-signature"], request.headers["content-type"]);
      response.end("thanks");
    });
    assert.deepEqual(await sender.post(`${url}/in?token=t`, { "content-type": "application/json", "x-spillway-signature": "t=1,v1=2" }, '{"ü":1}', ANYWHERE), { kind: "delivered" });
    assert.deepEqual(seen, ["POST", "/in?token=t", '{"ü":1}', "t=1,v1=2", "application/json"]);
  });

  for (const [status, retry] of [[400, false], [404, false], [410, false], [408, true], [429, true], [500, true], [503, true]] as const) {
    it(`that answers ${status} is ${retry ? "tried again" : "given up"}`, async () => {
      const url = await receiver((_request, _body, response) => response.writeHead(status, status === 429 ? { "retry-after": "7" } : {}).end());
      assert.deepEqual(await sender.post(url, {}, "{}", ANYWHERE), { kind: "failed", retry, message: `answered ${status}`, retryAfterMs: status === 429 ? 7_000 : null });
    });
  }

  it("leads nowhere else: a redirect is a failure", async () => {
    let reached = 0;
    const other = await receiver((_request, _body, response) => {
      reached += 1;
      response.end();
    });
    const url = await receiver((_request, _body, response) => response.writeHead(307, { location: other }).end());
    const delivery = await sender.post(url, {}, "{}", ANYWHERE);
    assert.deepEqual([delivery.kind, reached, "message" in delivery && delivery.message], ["failed", 0, "answered 307; redirects are not followed"]);
  });

  it("has it once it says so, whatever else it goes on to say", async () => {
    const endless = await receiver((_request, _body, response) => void response.writeHead(202).write("x"));
    assert.deepEqual(await hasty.post(endless, {}, "{}", ANYWHERE), { kind: "delivered" });
  });

  it("that is not there, says nothing or talks nonsense is tried again, in its time", async () => {
    const mute = await receiver(() => undefined);
    const nonsense = await listening(createRaw((socket) => void socket.end("no http\r\n\r\n")));
    for (const url of ["http://127.0.0.1:1", mute, nonsense]) {
      const delivery = await hasty.post(url, {}, "{}", ANYWHERE);
      assert.deepEqual([delivery.kind, "retry" in delivery && delivery.retry], ["failed", true], url);
    }
  });

  it("of a guest leads to public addresses only, by whatever name", async () => {
    let reached = 0;
    const url = await receiver((_request, _body, response) => {
      reached += 1;
      response.end();
    });
    for (const one of [url, url.replace("127.0.0.1", "localhost"), url.replace("127.0.0.1", "[::1]"), url.replace("127.0.0.1", "0x7f.1")]) {
      const delivery = await sender.post(one, {}, "{}", { publicOnly: true });
      assert.ok(delivery.kind === "failed" && !delivery.retry && /within the network/.test(delivery.message), `${one} ${JSON.stringify(delivery)}`);
    }
    assert.equal(reached, 0);
  });
});

describe("mail", () => {
  const message = { id: "n1", subject: "[Spillway] critical: Ü is spent", text: "All of it.\n.\nReally.\n" };
  const send = async (options: MailOptions, more: Partial<Parameters<NoticeSender["mail"]>[0]> = {}, by = sender, reach = ANYWHERE) => {
    const mail = await testMail(options);
    try {
      const server = { type: "smtp", host: "127.0.0.1", port: mail.port, tls: "none", user: null, password: null, from: "spillway@x.test", to: ["ops@x.test", "more@x.test"], ...more } as const;
      return { delivery: await by.mail(server, message, reach), mail };
    } finally {
      await mail.close();
    }
  };

  it("is handed to the server for everybody, whole", async () => {
    const { delivery, mail } = await send({});
    assert.deepEqual(delivery, { kind: "delivered" });
    assert.deepEqual(mail.lines.filter((line) => /^(MAIL|RCPT)/.test(line)).map((line) => line.split(" ").slice(0, 2).join(" ")), ["MAIL FROM:<spillway@x.test>", "RCPT TO:<ops@x.test>", "RCPT TO:<more@x.test>"]);
    assert.match(mail.mails[0] ?? "", /^Message-ID: <n1@spillway>$/m);
    assert.match(mail.mails[0] ?? "", /^Subject: =\?UTF-8\?/m);
    assert.match(mail.mails[0] ?? "", /All of it\.\n\.\.\nReally\./);
  });

  it("is not sent in clear where the server cannot encrypt, nor its password said", async () => {
    for (const options of [{}, { offersTls: true }]) {
      const { delivery, mail } = await send(options, { tls: "starttls", user: "u", password: "p4ssword" });
      assert.equal(delivery.kind, "failed");
      assert.deepEqual([mail.mails.length, mail.lines.some((line) => line.startsWith("AUTH") || line.startsWith("MAIL"))], [0, false]);
      assert.ok(!JSON.stringify(delivery).includes("p4ssword"));
    }
  });

  it("that is refused for good is given up; for now, tried again", async () => {
    const retries = async (answers: Record<string, string>, more = {}): Promise<unknown> => {
      const { delivery } = await send({ answers }, more);
      return delivery.kind === "failed" ? delivery.retry : delivery.kind;
    };
    assert.equal(await retries({ RCPT: "550 no such user" }), false);
    assert.equal(await retries({ RCPT: "451 busy" }), true);
    assert.equal(await retries({ DATA: "554 spam" }), false);
    assert.equal(await retries({ DATA: "452 full" }), true);
    assert.equal(await retries({ AUTH: "535 wrong" }, { user: "u", password: "p" }), false);
  });

  it("waits for no server longer than its time", async () => {
    const { delivery } = await send({ mute: true }, {}, hasty);
    assert.deepEqual([delivery.kind, "retry" in delivery && delivery.retry], ["failed", true]);
  });

  it("of a guest goes to public servers only", async () => {
    for (const host of ["127.0.0.1", "localhost"]) {
      const { delivery, mail } = await send({}, { host }, sender, { publicOnly: true });
      assert.ok(delivery.kind === "failed" && !delivery.retry && /within the network/.test(delivery.message));
      assert.deepEqual(mail.lines, []);
    }
  });
});
