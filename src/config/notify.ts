/** The sections `notify`, a list of channels with the fields of the admin API, and `display`, the currency of listings. */
import { channelKind, channelOfBody } from "../control/kinds/channel.ts";
import { NO_VAULT } from "../control/seal.ts";
import { displayProblems, readDisplay, type Display } from "../decide/currency.ts";
import type { Channel } from "../wire/notice.ts";
import type { Finding } from "./document.ts";
import { bodiesOf } from "./money-limits.ts";
import { asList, asMap, asText, type Raw } from "./raw.ts";

const KIND = channelKind(NO_VAULT);
/** Ids of the configuration's own, apart from those of the store. */
const OWN = "config:";

/** Channels in file order. They take what concerns anybody, unless `tenant` names one organisation. */
export function readChannels(list: readonly unknown[], found: Finding[]): readonly Channel[] {
  const names = new Set<string>();
  return asList(list).flatMap((entry, index) => {
    const path = ["notify", index];
    const { tenant, ...fields } = asMap(entry);
    const name = asText(fields["name"]);
    if (name === null) found.push({ path, expected: "a name", found: "nothing", hint: "write { name: ops, type: webhook, … }", at: "key" });
    else if (names.has(name)) found.push({ path: [...path, "name"], expected: "a name of its own for each channel", found: JSON.stringify(name), hint: "" });
    names.add(name ?? "");
    const mine: Finding[] = [];
    const bodies = bodiesOf("notify", KIND, { [name ?? "channel"]: fields }, mine);
    // Found under its name, told at its place in the list; of secrets not even a part is told.
    found.push(...mine.map((one) => ({ ...one, path: [...path, ...(one.at === "key" ? ["name"] : one.path.slice(2))], found: SECRET.test(String(one.path[2])) && one.found !== "nothing" ? "a text that is not shown" : one.found, at: "value" as const })));
    if (name === null) return [];
    return bodies.flatMap(({ id, body }) => channelOfBody(OWN + id, body, { tenant: asText(tenant), publicOnly: false }) ?? []);
  });
}
const SECRET = /^(?:url|secret|password)$/;

/** The currency of listings; null: dollars. */
export function readDisplayCurrency(section: Raw, found: Finding[]): Display | null {
  if (Object.keys(section).length === 0) return null;
  const problems = displayProblems(section);
  for (const { path, expected, found: what } of problems) found.push({ path: ["display", ...path], expected, found: what, hint: "" });
  return problems.length === 0 ? readDisplay(section) : null;
}
