/** What every way of signing shares: fixed keys, and the service that turns them into temporary ones. */
import type { SigningKeys } from "../wire/credential.ts";
import { optionalText, type AccountContext } from "./account-settings.ts";
import { Secret } from "./secret.ts";
import { isPrivateUrl, readBaseUrl } from "./values.ts";

/** Under this name a role's sessions stand in the owner's audit log. */
export const SESSION_NAME = "spillway";

/** Fixed keys; the token belongs to temporary ones. */
export function staticKeys(id: string, secret: string, token: string | null): SigningKeys {
  return { kind: "static", accessKeyId: id, secretAccessKey: new Secret(secret), sessionToken: token === null || token === "" ? null : new Secret(token) };
}

/** The service that gives temporary keys: the account's own word, else the region's. */
export function stsUrlOf(region: string, context: AccountContext): string {
  const own = optionalText("sts_url", context);
  const usual = `https://sts.${region}.amazonaws.com${region.startsWith("cn-") ? ".cn" : ""}`;
  const read = readBaseUrl(own ?? usual);
  if ("wrong" in read) context.found.push({ path: [...context.path, "sts_url"], expected: "an http or https URL", found: read.wrong, hint: `the usual one is ${usual}` });
  else if (read.url.startsWith("http:") && !isPrivateUrl(read.url)) context.warnings.push({ path: [...context.path, "sts_url"], expected: "https", found: "an unencrypted public address", hint: "keys can be read on the way" });
  return `${"url" in read ? read.url : usual}/`;
}
