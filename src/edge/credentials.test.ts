/** Tokens and keys from real servers on the loopback, on a clock that the test moves. */
import assert from "node:assert/strict";
import { createPublicKey, generateKeyPairSync, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { json, recordingUpstream, type RecordingUpstream } from "../../test/support/recording-upstream.ts";
import { flush, VirtualClock } from "../pipeline/test-clock.ts";
import type { Upstream } from "../ports.ts";
import type { Credential, Hidden, ServiceAccount, SigningKeys } from "../wire/credential.ts";
import { authorizer, credentialOrigins, type Authorizer, type CallToAuthorize } from "./credentials.ts";
import { signV4 } from "./sigv4.ts";
import { OwnUpstream } from "./upstream-own.ts";

const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048, privateKeyEncoding: { type: "pkcs8", format: "pem" }, publicKeyEncoding: { type: "spki", format: "pem" } });
const hidden = (value: string): Hidden => ({ reveal: () => value });
const CALL: CallToAuthorize = { method: "POST", origin: "https://host.example", path: "/model/a%3A0/converse", headers: ["content-type", "application/json", "via", "1.1 x"], body: Buffer.from("{}") };
const TLS_FOLDER = new URL("../../test/fixtures/tls/", import.meta.url);

let clock: VirtualClock;
let upstream: OwnUpstream;
let server: RecordingUpstream;
/** Calls for a credential that have been answered in full. */
let ended = 0;
const files = new Map<string, string>();

before(async () => {
  server = await recordingUpstream();
});
after(() => server.close());
beforeEach(() => {
  clock = new VirtualClock();
  upstream = new OwnUpstream({ env: {} });
  upstream.allow([server.origin]);
  server.calls.length = 0;
  ended = 0;
});
afterEach(() => upstream.close());

function open(credential: Credential, caFile: string | null = null): Authorizer {
  const readFile = (path: string): string => files.get(path) ?? assert.fail(Object.assign(new Error("missing"), { code: "ENOENT" }));
  const counting: Upstream = {
    send: (request, handler) =>
      upstream.send(request, {
        onSent: () => handler.onSent(),
        onHeaders: (status, header) => handler.onHeaders(status, header),
        onData: (chunk) => handler.onData(chunk),
        onFailure: (failure) => handler.onFailure(failure),
        onEnd: () => {
          handler.onEnd();
          ended++;
        },
      }),
  };
  return authorizer(credential, { upstream: counting, clock, readFile, proxyUrl: null, caFile });
}
/** Resolves when so many answers have come and all that follows from them has run. */
async function untilEnded(count: number): Promise<void> {
  while (ended < count) await flush();
  await flush();
}
const account = (): ServiceAccount => ({ kind: "service-account", email: "gw@p.example", keyId: "k1", privateKey: hidden(privateKey), tokenUrl: `${server.origin}/token`, scope: "https://scope.example/all" });
const form = (index = 0): Record<string, string> => Object.fromEntries(new URLSearchParams(server.calls[index]?.body.toString() ?? ""));
const token = (name: string, lifeS = 3_600) => json({ access_token: name, expires_in: lifeS, token_type: "Bearer" });
const part = (jwt: string, index: number): Record<string, unknown> => JSON.parse(Buffer.from(jwt.split(".")[index] ?? "", "base64url").toString()) as Record<string, unknown>;

describe("a service account", () => {
  it("asks with a statement that its public key verifies, in its name, for its scope, for an hour", async () => {
    server.answer(token("ya29.first"));
    assert.deepEqual(await open(account()).authorize(CALL), ["authorization", "Bearer ya29.first"]);
    const [call] = server.calls;
    assert.deepEqual([call?.method, call?.target, call?.header("content-type")], ["POST", "/token", "application/x-www-form-urlencoded"]);
    const { grant_type: grant, assertion = "" } = form();
    assert.equal(grant, "urn:ietf:params:oauth:grant-type:jwt-bearer");
    const signed = assertion.slice(0, assertion.lastIndexOf("."));
    assert.ok(verify("sha256", Buffer.from(signed), createPublicKey(publicKey), Buffer.from(assertion.split(".")[2] ?? "", "base64url")), "the signature");
    assert.deepEqual(part(assertion, 0), { alg: "RS256", typ: "JWT", kid: "k1" });
    const issuedS = Math.floor(clock.wallMs() / 1_000);
    assert.deepEqual(part(assertion, 1), { iss: "gw@p.example", scope: "https://scope.example/all", aud: `${server.origin}/token`, iat: issuedS, exp: issuedS + 3_600 });
  });

  it("keeps its token and then answers at once, without a promise", async () => {
    server.answer(token("one"));
    const proof = open(account());
    await proof.authorize(CALL);
    assert.deepEqual(proof.authorize(CALL), ["authorization", "Bearer one"]);
    assert.equal(server.calls.length, 1);
    assert.equal(proof.secret(), "one");
  });

  it("asks once for all that wait", async () => {
    server.answer(token("one"));
    const proof = open(account());
    assert.equal(new Set((await Promise.all([proof.authorize(CALL), proof.authorize(CALL), proof.authorize(CALL)])).flat()).size, 2);
    assert.equal(server.calls.length, 1);
  });

  it("renews ahead of the end, while the old token goes on to serve", async () => {
    server.answer(token("one"));
    const proof = open(account());
    await proof.authorize(CALL);
    server.answer(token("two"));
    await clock.advance(3_600_000 - 300_000 - 10_000 - 1);
    assert.deepEqual(proof.authorize(CALL), ["authorization", "Bearer one"]);
    assert.equal(server.calls.length, 1, "not yet");
    await clock.advance(2);
    assert.deepEqual(proof.authorize(CALL), ["authorization", "Bearer one"]);
    await untilEnded(2);
    assert.deepEqual(proof.authorize(CALL), ["authorization", "Bearer two"]);
    assert.equal(server.calls.length, 2);
  });

  it("waits for a new token once the old one is over", async () => {
    server.answer(token("one", 60));
    const proof = open(account());
    await proof.authorize(CALL);
    server.answer(token("two", 60));
    await clock.advance(50_001);
    const next = proof.authorize(CALL);
    assert.ok(next instanceof Promise);
    assert.deepEqual(await next, ["authorization", "Bearer two"]);
  });

  it("goes on with its token while renewing fails, asks again each second, and says why when it is over", async () => {
    server.answer(token("one", 400));
    const proof = open(account());
    await proof.authorize(CALL);
    server.answer(json({ error: "internal_failure" }, 503));
    await clock.advance(300_000);
    assert.deepEqual(proof.authorize(CALL), ["authorization", "Bearer one"]);
    await untilEnded(2);
    assert.deepEqual(proof.authorize(CALL), ["authorization", "Bearer one"]);
    await clock.advance(1_001);
    assert.equal(server.calls.length, 2, "a pause");
    assert.deepEqual(proof.authorize(CALL), ["authorization", "Bearer one"]);
    await untilEnded(3);
    await clock.advance(100_000);
    await assert.rejects(async () => proof.authorize(CALL), { failureClass: "network", message: /127\.0\.0\.1:\d+ gave no credential \(503\): internal_failure$/ });
  });

  it("that is refused says so, as a fault of the credential", async () => {
    server.answer(json({ error: "invalid_grant", error_description: "Invalid JWT Signature." }, 400));
    await assert.rejects(async () => open(account()).authorize(CALL), { failureClass: "auth", message: /\(400\): invalid_grant: Invalid JWT Signature\.$/ });
  });

  it("with a key that is none never asks, and does not quote it", async () => {
    await assert.rejects(async () => open({ ...account(), privateKey: hidden("-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----") }).authorize(CALL), {
      failureClass: "auth", message: "the private key of gw@p.example cannot be read",
    });
    assert.equal(server.calls.length, 0);
  });

  for (const [what, answer] of [
    ["no JSON", json("<html>", 200)],
    ["no token", json({ expires_in: 10 })],
    ["a token that would break a header", json({ access_token: "a\r\nx: y", expires_in: 10 })],
    ["a redirect", json({}, 302, { location: "http://127.0.0.1:1/" })],
  ] as const) {
    it(`that is answered with ${what} has no credential, and no one else is asked`, async () => {
      server.answer(answer);
      await assert.rejects(async () => open(account()).authorize(CALL), { failureClass: "network" });
      assert.equal(server.calls.length, 1);
    });
  }

  it("speaks to no address that is not allowed", async () => {
    upstream.allow([]);
    upstream.allow([]);
    await assert.rejects(async () => open(account()).authorize(CALL), { failureClass: "network", message: /is not an origin of the configuration/ });
    assert.equal(server.calls.length, 0);
  });

  it("gives up on an address that never answers", async () => {
    const asked = new Promise<void>((resolve) => server.answer(() => resolve()));
    const waiting = open(account()).authorize(CALL) as Promise<readonly string[]>;
    const rejected = assert.rejects(waiting, { failureClass: "network", message: /no answer within 10 s/ });
    await asked;
    await clock.advance(10_001);
    await rejected;
  });

  it("trusts the account's own authorities over TLS, and no one without them", async () => {
    const secure = createServer({ key: readFileSync(new URL("test-key.pem", TLS_FOLDER)), cert: readFileSync(new URL("test-cert.pem", TLS_FOLDER)) }, (_request, answer) => {
      answer.setHeader("content-type", "application/json").end('{"access_token":"over-tls","expires_in":60}');
    });
    await new Promise<void>((resolve) => secure.listen(0, "127.0.0.1", resolve));
    const tokenUrl = `https://localhost:${(secure.address() as AddressInfo).port}/token`;
    upstream.allow([new URL(tokenUrl).origin]);
    try {
      assert.deepEqual(await open({ ...account(), tokenUrl }, new URL("test-cert.pem", TLS_FOLDER).pathname).authorize(CALL), ["authorization", "Bearer over-tls"]);
      await assert.rejects(async () => open({ ...account(), tokenUrl }).authorize(CALL), { failureClass: "network", message: /tls/ });
    } finally {
      await upstream.close();
      secure.close();
    }
  });
});

describe("other grants", () => {
  it("of a person's own credential is the refresh token", async () => {
    server.answer(token("r"));
    await open({ kind: "refresh-token", clientId: "id", clientSecret: hidden("s"), refreshToken: hidden("1//x"), tokenUrl: `${server.origin}/token` }).authorize(CALL);
    assert.deepEqual(form(), { grant_type: "refresh_token", client_id: "id", client_secret: "s", refresh_token: "1//x" });
  });

  it("of a directory's client are its credentials", async () => {
    server.answer(token("eyJ.e.s"));
    const proof = open({ kind: "client-secret", clientId: "app", clientSecret: hidden("s+ e"), tokenUrl: `${server.origin}/tenant-1/oauth2/v2.0/token`, scope: "https://x.example/.default" });
    assert.deepEqual(await proof.authorize(CALL), ["authorization", "Bearer eyJ.e.s"]);
    assert.equal(server.calls[0]?.target, "/tenant-1/oauth2/v2.0/token");
    assert.deepEqual(form(), { grant_type: "client_credentials", client_id: "app", client_secret: "s+ e", scope: "https://x.example/.default" });
  });
});

const STATIC: SigningKeys = { kind: "static", accessKeyId: "AKIDEXAMPLE", secretAccessKey: hidden("secret"), sessionToken: null };
const signing = (keys: SigningKeys): Credential => ({ kind: "sigv4", service: "bedrock", region: "eu-central-1", keys });
const role = (base: SigningKeys = STATIC): SigningKeys => ({ kind: "role", roleArn: "arn:aws:iam::123456789012:role/gw", sessionName: "spillway", externalId: "x1", stsUrl: `${server.origin}/`, region: "eu-central-1", base });
const sts = (action: string, id: string, until: string) =>
  json(`<${action}Response><${action}Result><Credentials><SessionToken>tok/${id}==</SessionToken><SecretAccessKey>sk-${id}</SecretAccessKey><Expiration>${until}</Expiration><AccessKeyId>${id}</AccessKeyId></Credentials></${action}Result></${action}Response>`);
const inS = (seconds: number): string => new Date(clock.wallMs() + seconds * 1_000).toISOString();
/** What the one signer of requests makes of it. */
const expected = (id: string, secret: string, sessionToken?: string): readonly string[] =>
  signV4({ method: "POST", host: "host.example", path: CALL.path, headers: [["content-type", "application/json"]], body: Buffer.from("{}") }, { accessKeyId: id, secretAccessKey: secret, ...(sessionToken === undefined ? {} : { sessionToken }) }, "eu-central-1", "bedrock", clock.wallMs()).flat();

describe("a signing credential", () => {
  it("with fixed keys signs at once, over the path as it is sent, and gives away no secret", () => {
    const proof = open(signing(STATIC));
    const headers = proof.authorize(CALL);
    assert.deepEqual(headers, expected("AKIDEXAMPLE", "secret"));
    assert.match((headers as readonly string[])[3] ?? "", /^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\/20261123\/eu-central-1\/bedrock\/aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature=[0-9a-f]{64}$/);
    assert.equal(proof.secret(), null);
  });

  it("signs a body in pieces as the whole that it is", () => {
    assert.deepEqual(open(signing(STATIC)).authorize({ ...CALL, body: [Buffer.from("{"), Buffer.from("}")] }), expected("AKIDEXAMPLE", "secret"));
  });

  it("with a role signs with the keys that it is given, and asks again when they end", async () => {
    server.answer(sts("AssumeRole", "ASIA1", inS(900)));
    const proof = open(signing(role()));
    assert.deepEqual(await proof.authorize(CALL), expected("ASIA1", "sk-ASIA1", "tok/ASIA1=="));
    assert.deepEqual(form(), { Action: "AssumeRole", Version: "2011-06-15", RoleArn: "arn:aws:iam::123456789012:role/gw", RoleSessionName: "spillway", ExternalId: "x1" });
    const asked = server.calls[0];
    const signed = signV4({ method: "POST", host: server.origin.slice("http://".length), path: "/", headers: [["content-type", asked?.header("content-type") ?? ""]], body: asked?.body ?? Buffer.alloc(0) }, { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret" }, "eu-central-1", "sts", clock.wallMs());
    assert.equal(asked?.header("authorization"), new Map(signed).get("authorization"));
    assert.equal(proof.secret(), "tok/ASIA1==");
    await clock.advance(900_000);
    server.answer(sts("AssumeRole", "ASIA2", inS(900)));
    assert.deepEqual(await proof.authorize(CALL), expected("ASIA2", "sk-ASIA2", "tok/ASIA2=="));
  });

  it("with a role over a role asks with the first one's keys", async () => {
    server.answer((call, socket) => sts("AssumeRole", server.calls.length === 1 ? "ASIA1" : "ASIA2", inS(900))(call, socket));
    assert.deepEqual(await open(signing(role(role()))).authorize(CALL), expected("ASIA2", "sk-ASIA2", "tok/ASIA2=="));
    assert.match(server.calls[1]?.header("authorization") ?? "", /Credential=ASIA1\//);
    assert.equal(server.calls[1]?.header("x-amz-security-token"), "tok/ASIA1==");
  });

  it("with a role that is refused says so, as a fault of the credential", async () => {
    server.answer(json("<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>not authorized to perform: sts:AssumeRole</Message></Error></ErrorResponse>", 403));
    await assert.rejects(async () => open(signing(role())).authorize(CALL), { failureClass: "auth", message: /\(403\): AccessDenied: not authorized/ });
  });

  it("with a workload's token reads it anew each time and sends it unsigned", async () => {
    files.set("/token", "jwt-1\n");
    server.answer(sts("AssumeRoleWithWebIdentity", "ASIAW", inS(900)));
    const proof = open(signing({ kind: "web-identity", roleArn: "arn:aws:iam::123456789012:role/gw", sessionName: "s", tokenFile: "/token", stsUrl: `${server.origin}/` }));
    assert.deepEqual(await proof.authorize(CALL), expected("ASIAW", "sk-ASIAW", "tok/ASIAW=="));
    assert.equal(form()["WebIdentityToken"], "jwt-1");
    assert.equal(server.calls[0]?.header("authorization"), undefined);
    files.set("/token", "jwt-2\n");
    await clock.advance(900_000);
    server.answer(sts("AssumeRoleWithWebIdentity", "ASIAX", inS(900)));
    await proof.authorize(CALL);
    assert.equal(form(1)["WebIdentityToken"], "jwt-2");
    files.delete("/token");
    await clock.advance(900_000);
    await assert.rejects(async () => proof.authorize(CALL), { failureClass: "network", message: "/token cannot be read: ENOENT" });
  });

  it("from the container's platform takes its keys by the token that it was given", async () => {
    server.answer(json({ AccessKeyId: "ASIAC", SecretAccessKey: "sk-ASIAC", Token: "tok/ASIAC==", Expiration: inS(3_600) }));
    const proof = open(signing({ kind: "container", url: `${server.origin}/v2/credentials?x=1`, authorization: hidden("task-token"), authorizationFile: null }));
    assert.deepEqual(await proof.authorize(CALL), expected("ASIAC", "sk-ASIAC", "tok/ASIAC=="));
    assert.deepEqual([server.calls[0]?.method, server.calls[0]?.target, server.calls[0]?.header("authorization")], ["GET", "/v2/credentials?x=1", "task-token"]);
  });

  it("that is answered without keys has none", async () => {
    server.answer(json("<AssumeRoleResponse/>"));
    await assert.rejects(async () => open(signing(role())).authorize(CALL), { failureClass: "network", message: /answered without keys/ });
  });
});

it("a credential names every place that it asks, and no other", () => {
  assert.deepEqual(credentialOrigins(account()), [server.origin]);
  assert.deepEqual(credentialOrigins(signing(STATIC)), []);
  const keys: SigningKeys = { kind: "role", roleArn: "r", sessionName: "s", externalId: null, stsUrl: "https://sts.a.example/", region: "a", base: { kind: "container", url: "http://169.254.170.2/x", authorization: null, authorizationFile: null } };
  assert.deepEqual(credentialOrigins(signing(keys)), ["https://sts.a.example", "http://169.254.170.2"]);
});
