/** Keys to sign requests with: fixed ones, or temporary ones that a role, a workload's token or its platform gives. */
import type { AssumedRole, ContainerKeys, SigningKeys, WebIdentity } from "../wire/credential.ts";
import { callForCredential, CredentialError, formBody, refusedCredential, type CredentialPorts } from "./credentials-call.ts";
import { Renewing, type Granted } from "./credentials-renewing.ts";
import { signV4, type SigningCredentials } from "./sigv4.ts";

/** The keys at once, or a promise where they have to be fetched. */
export interface KeySource {
  current(): SigningCredentials | Promise<SigningCredentials>;
  /** What was last given out, if anything. */
  readonly last: SigningCredentials | null;
}

const FORM = "application/x-www-form-urlencoded; charset=utf-8";

/** Where these keys come from. */
export function keySource(keys: SigningKeys, ports: CredentialPorts): KeySource {
  switch (keys.kind) {
    case "static": {
      const fixed: SigningCredentials = {
        accessKeyId: keys.accessKeyId,
        secretAccessKey: keys.secretAccessKey.reveal(),
        ...(keys.sessionToken === null ? {} : { sessionToken: keys.sessionToken.reveal() }),
      };
      return { current: () => fixed, last: fixed };
    }
    case "role": {
      const base = keySource(keys.base, ports);
      return new Renewing(ports.clock, () => assumeRole(keys, base, ports));
    }
    case "web-identity":
      return new Renewing(ports.clock, () => byWebIdentity(keys, ports));
    case "container":
      return new Renewing(ports.clock, () => ofContainer(keys, ports));
  }
}

async function assumeRole(role: AssumedRole, base: KeySource, ports: CredentialPorts): Promise<Granted<SigningCredentials>> {
  const keys = await base.current();
  const body = formBody({
    Action: "AssumeRole",
    Version: "2011-06-15",
    RoleArn: role.roleArn,
    RoleSessionName: role.sessionName,
    ...(role.externalId === null ? {} : { ExternalId: role.externalId }),
  });
  const { host, pathname } = new URL(role.stsUrl);
  const signed = signV4({ method: "POST", host, path: pathname, headers: [["content-type", FORM]], body }, keys, role.region, "sts", ports.clock.wallMs());
  return askSts(role.stsUrl, ["content-type", FORM, ...signed.flat()], body, [role.externalId, keys.sessionToken, keys.secretAccessKey], ports);
}

async function byWebIdentity(identity: WebIdentity, ports: CredentialPorts): Promise<Granted<SigningCredentials>> {
  const token = fileText(identity.tokenFile, ports);
  const body = formBody({
    Action: "AssumeRoleWithWebIdentity",
    Version: "2011-06-15",
    RoleArn: identity.roleArn,
    RoleSessionName: identity.sessionName,
    WebIdentityToken: token,
  });
  return askSts(identity.stsUrl, ["content-type", FORM], body, [token], ports);
}

/** `sent`: what of it is secret. */
async function askSts(url: string, headers: readonly string[], body: Uint8Array, sent: readonly (string | null | undefined)[], ports: CredentialPorts): Promise<Granted<SigningCredentials>> {
  const { host } = new URL(url);
  const { status, text } = await callForCredential(ports, { url, method: "POST", headers, body });
  if (status !== 200) throw refusedCredential(host, status, `${element(text, "Code") ?? "no reason told"}: ${element(text, "Message") ?? ""}`, sent);
  return granted(host, { id: element(text, "AccessKeyId"), key: element(text, "SecretAccessKey"), token: element(text, "SessionToken"), until: element(text, "Expiration") }, ports);
}

/** Text of the first element of this name. The answers are flat, their values without markup. */
function element(xml: string, name: string): string | undefined {
  return new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1]?.trim();
}

async function ofContainer(keys: ContainerKeys, ports: CredentialPorts): Promise<Granted<SigningCredentials>> {
  const { host } = new URL(keys.url);
  const authorization = keys.authorizationFile === null ? keys.authorization?.reveal() : fileText(keys.authorizationFile, ports);
  const headers = ["accept", "application/json", ...(authorization === undefined ? [] : ["authorization", authorization])];
  const { status, text } = await callForCredential(ports, { url: keys.url, method: "GET", headers, body: null });
  let told: Readonly<Record<string, unknown>>;
  try {
    told = JSON.parse(text) as Readonly<Record<string, unknown>>;
  } catch {
    // Not JSON: the status has to do.
    told = {};
  }
  const of = (name: string): string | undefined => (typeof told[name] === "string" ? told[name] : undefined);
  if (status !== 200) throw refusedCredential(host, status, of("message") ?? of("Message") ?? "no reason told", [authorization]);
  return granted(host, { id: of("AccessKeyId"), key: of("SecretAccessKey"), token: of("Token"), until: of("Expiration") }, ports);
}

interface ToldKeys {
  readonly id: string | undefined;
  readonly key: string | undefined;
  readonly token: string | undefined;
  readonly until: string | undefined;
}

function granted(host: string, told: ToldKeys, ports: CredentialPorts): Granted<SigningCredentials> {
  const untilMs = Date.parse(told.until ?? "");
  if (!told.id || !told.key || !told.token || Number.isNaN(untilMs)) throw new CredentialError("network", `${host} answered without keys`);
  return { value: { accessKeyId: told.id, secretAccessKey: told.key, sessionToken: told.token }, lifeMs: untilMs - ports.clock.wallMs() };
}

function fileText(path: string, ports: CredentialPorts): string {
  try {
    return ports.readFile(path).trim();
  } catch (error) {
    throw new CredentialError("network", `${path} cannot be read: ${error instanceof Error && "code" in error ? String(error.code) : "unknown"}`);
  }
}
