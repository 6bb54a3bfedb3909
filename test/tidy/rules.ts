/** The tables of the tidy test: what may import what, what is exempt, and why. Every exemption carries its reason. */

/** Folders (and single files) of `src` → what of ours they may import. `*`: everything. */
export const IMPORT_TABLE: Readonly<Record<string, readonly string[] | "*">> = {
  wire: [],
  decide: ["wire"],
  providers: ["wire"],
  planner: ["wire", "decide", "providers"],
  "ports.ts": ["wire"],
  pipeline: ["wire", "decide", "providers", "ports.ts"],
  config: ["wire", "decide", "providers", "control"],
  // What operators manage: kinds of objects and what is compiled of them.
  control: ["wire", "decide", "providers", "ports.ts"],
  storage: ["wire", "decide", "ports.ts", "control"],
  edge: ["wire", "decide", "ports.ts"],
  admin: ["wire", "decide", "providers", "ports.ts", "config", "control"],
  notify: ["wire", "ports.ts", "control"],
  sim: ["wire", "decide", "providers", "planner", "ports.ts"],
  fleet: [],
  cli: "*",
  "compose.ts": "*",
  compose: "*",
  "index.ts": "*",
  "version.ts": [],
};

/** Single imports against the table: `importing file → imported file`. */
export const IMPORT_EXCEPTIONS: Readonly<Record<string, string>> = {};

/** Compile without Node's types, take time and chance as arguments, import no package and no part of Node.js. */
export const PURE = ["wire", "decide", "providers", "planner"];

/** Longer than 500 lines, for a reason. */
export const LONG_FILES: Readonly<Record<string, string>> = {};

/** Files and folders that may name providers outside `src/providers`: all of them, or these words only. */
export const PROVIDER_NAMES_ALLOWED: Readonly<Record<string, { readonly words: "*" | readonly string[]; readonly reason: string }>> = {
  "src/fleet/": { words: "*", reason: "speaks the dialects, which bear the names of those who made them" },
  "src/config/report.ts": { words: ["xai"], reason: "the prefix of a key, which no message may repeat" },
  "src/edge/paths.ts": { words: ["openai", "anthropic", "mistral"], reason: "base URLs that clients made for one maker are given, and the names by which its clients call themselves" },
  "src/wire/surfaces.ts": { words: ["mistral"], reason: "the name of a surface that only this maker's clients speak" },
  "src/pipeline/conclude.ts": { words: ["xai"], reason: "the prefix of a key, to be blotted out of what a provider says" },
};

/** Dialects and API styles: they bear a maker's name and are no provider. */
export const DIALECT_NAMES = ["openai-chat", "openai-responses", "anthropic-messages", "bedrock-converse", "cohere-v2", "openai-compatible", '"gemini"'];

/** Words that name no provider when they stand alone: English first. Their ids are found all the same by the others. */
export const ORDINARY_WORDS = ["together", "vertex", "voyage", "fireworks", "nova"];

/** Brands that are no provider's id. */
export const BRANDS = ["gemini", "claude", "gpt", "grok", "qwen", "kimi", "ollama", "vllm", "huggingface"];

/** Files that may open an outbound socket, besides `src/edge/upstream*.ts`. */
export const SOCKETS_ALLOWED: Readonly<Record<string, string>> = {
  "src/cli/control-client.ts": "speaks to the gateway of the same data folder over its local socket file",
  "src/cli/verify-budgets.ts": "reads the metrics of the gateways that it has started itself",
  "src/cli/verify-load.ts": "the clients of the gateways that it has started itself",
  "src/cli/demo-client.ts": "the demo's client calls the demo's own gateway, as an application would",
};

/** Names that say nothing of what is inside. */
export const FILE_NAMES_BANNED = /(^|\/)(utils?|helpers?|misc|common|shared|stuff)(\.|\/|-)/i;
