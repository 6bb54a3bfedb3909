/** Profiles of the usual `credentials` and `config` files: keys, roles over other profiles, web identities. */
import { join } from "node:path";
import type { SigningKeys } from "../wire/credential.ts";
import { variableOf, type AccountContext } from "./account-settings.ts";
import { SESSION_NAME, staticKeys, stsUrlOf } from "./signing-keys.ts";

type Section = Readonly<Record<string, string>>;
type Profiles = ReadonlyMap<string, Section>;

/** Roles over roles: so many, then it is a circle. */
const DEEPEST = 5;

/** The keys of a profile, or null where that is reported. Files are read when the configuration is. */
export function readProfile(name: string, region: string, context: AccountContext): SigningKeys | null {
  if (name === "") return null;
  const profiles = readProfiles(context);
  const keys = keysOf(name, { profiles, region, context, depth: 0 });
  if (typeof keys !== "string") return keys;
  const isOwn = Object.hasOwn(context.map, "profile");
  context.found.push({ path: [...context.path, "profile"], expected: "a profile with keys or a role", found: keys, hint: "", at: isOwn ? "value" : "key" });
  return null;
}

interface Search {
  readonly profiles: Profiles;
  readonly region: string;
  readonly context: AccountContext;
  readonly depth: number;
}

/** The keys, or what is wrong. */
function keysOf(name: string, search: Search): SigningKeys | string {
  const section = search.profiles.get(name);
  if (section === undefined) return `no profile ${name} in the files`;
  if (search.depth > DEEPEST) return `profiles that refer to each other in a circle`;
  const { role_arn: roleArn, source_profile: source, web_identity_token_file: tokenFile } = section;
  if (roleArn !== undefined) return roleKeys(name, section, { roleArn, source, tokenFile }, search);
  return fixedKeys(name, section);
}

function fixedKeys(name: string, section: Section): SigningKeys | string {
  const { aws_access_key_id: id, aws_secret_access_key: secret, aws_session_token: token } = section;
  if (id !== undefined && secret !== undefined) return staticKeys(id, secret, token ?? null);
  for (const [key, what] of [["sso_session", "single sign-on"], ["sso_start_url", "single sign-on"], ["credential_process", "a program of its own"]]) {
    if (section[key as string] !== undefined) return `profile ${name} by ${what}, which is not supported`;
  }
  return `profile ${name} without keys`;
}

function roleKeys(name: string, section: Section, told: { readonly roleArn: string; readonly source: string | undefined; readonly tokenFile: string | undefined }, search: Search): SigningKeys | string {
  const { region, context } = search;
  const sessionName = section["role_session_name"] ?? SESSION_NAME;
  const stsUrl = stsUrlOf(section["region"] ?? region, context);
  if (told.tokenFile !== undefined) return { kind: "web-identity", roleArn: told.roleArn, sessionName, tokenFile: told.tokenFile, stsUrl };
  if (section["mfa_serial"] !== undefined) return `profile ${name} with a second factor, which nobody is there to give`;
  if (told.source === undefined) return `profile ${name} with a role but no source_profile`;
  // A profile may name itself: its own keys then open the role.
  const base = told.source === name ? fixedKeys(name, section) : keysOf(told.source, { ...search, depth: search.depth + 1 });
  if (typeof base === "string") return base;
  return { kind: "role", roleArn: told.roleArn, sessionName, externalId: section["external_id"] ?? null, stsUrl, region: section["region"] ?? region, base };
}

/** Both files; where a profile stands in both, the `credentials` file wins key by key. */
function readProfiles(context: AccountContext): Profiles {
  const home = variableOf(["HOME"], context) ?? "";
  const config = sectionsOf(fileText(variableOf(["AWS_CONFIG_FILE"], context) ?? join(home, ".aws", "config"), context), true);
  const credentials = sectionsOf(fileText(variableOf(["AWS_SHARED_CREDENTIALS_FILE"], context) ?? join(home, ".aws", "credentials"), context), false);
  const names = new Set([...config.keys(), ...credentials.keys()]);
  return new Map([...names].map((name) => [name, { ...config.get(name), ...credentials.get(name) }]));
}

/** An absent file is an empty one: the profile is then told as missing. */
function fileText(path: string, { environment }: AccountContext): string {
  try {
    return environment.readFile(path);
  } catch (error) {
    if (error instanceof Error) return "";
    throw error;
  }
}

/** `[default]` and `[profile name]` of the one file, `[name]` of the other; indented lines belong to the key above. */
function sectionsOf(text: string, isConfig: boolean): Profiles {
  const sections = new Map<string, Record<string, string>>();
  let section: Record<string, string> | null = null;
  for (const line of text.split(/\r?\n/)) {
    const head = /^\[\s*(.+?)\s*\]/.exec(line)?.[1];
    if (head !== undefined) {
      const name = !isConfig || head === "default" ? head : /^profile\s+["']?(.+?)["']?$/.exec(head)?.[1];
      section = name === undefined ? null : { ...sections.get(name) };
      if (name !== undefined && section !== null) sections.set(name, section);
      continue;
    }
    const pair = /^([A-Za-z0-9_]+)\s*=\s*(.*?)\s*$/.exec(line);
    if (section !== null && pair?.[1] !== undefined && pair[2] !== undefined) section[pair[1].toLowerCase()] = pair[2].replace(/\s+[#;].*$/, "");
  }
  return sections;
}
