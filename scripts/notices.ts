/**
 * THIRD_PARTY_NOTICES: the licences of everything that an installation of the package runs, taken from the installed
 * packages themselves. Which packages those are, the lockfile says.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { object, readJson, text } from "./manifest.ts";

const RULE = "-".repeat(80);

/** The whole text. Throws where a runtime dependency names no licence: then nothing may be published. */
export function notices(root: string): string {
  const lock = object(readJson(join(root, "package-lock.json")));
  const parts: string[] = [
    "Third-party notices\n\nSpillway is distributed under the Apache License 2.0 (see LICENSE). It runs with the packages below, each under its own licence.\n",
  ];
  for (const [path, entry] of Object.entries(object(lock["packages"])).toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const facts = object(entry);
    if (path === "" || facts["dev"] === true || facts["devOptional"] === true) continue;
    const name = path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
    const title = `${name} ${text(facts["version"])}`;
    if (facts["optional"] === true) {
      // Platform builds of Node.js: only one is installed, and its own LICENSE of many pages stands beside it.
      parts.push(`${RULE}\n${title} (a build of Node.js)\nLicence: MIT, with parts under others; see the LICENSE file in that package.\n`);
      continue;
    }
    const licence = licenceText(join(root, path));
    const kind = facts["license"];
    if (typeof kind !== "string") throw new Error(`${title} names no licence`);
    parts.push(`${RULE}\n${title}\nLicence: ${kind}\n\n${licence ?? "(the package contains no licence text)"}\n`);
  }
  return `${parts.join("\n")}`;
}

function licenceText(folder: string): string | null {
  if (!existsSync(folder)) return null;
  const files = readdirSync(folder).filter((file) => /^(licen[cs]e|notice|copying)/i.test(file)).toSorted();
  const texts = files.map((file) => readFileSync(join(folder, file), "utf8").trim());
  return texts.length > 0 ? texts.join("\n\n") : null;
}
