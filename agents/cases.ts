/** The coding agents, each as its documentation says it is pointed at a gateway: nothing else of it is changed. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export type Dialect = "openai-chat" | "anthropic-messages" | "gemini";

/** What an agent is started with. */
export interface Place {
  /** `http://127.0.0.1:port`. */
  readonly origin: string;
  readonly key: string;
  readonly model: string;
  /** Its home, new and empty. */
  readonly home: string;
  /** The folder it works in. */
  readonly project: string;
  /** `node_modules` of this folder. */
  readonly installed: string;
}

export interface Started {
  readonly command: string;
  /** One list of arguments after the other, each to its end. */
  readonly runs: readonly (readonly string[])[];
  readonly env: Readonly<Record<string, string>>;
}

export interface Agent {
  readonly name: string;
  /** Package whose version is told. */
  readonly package: string;
  /** Where the requests come in. */
  readonly surface: "messages" | "responses" | "chat";
  /** The agent's own dialect first, then foreign ones. */
  readonly dialects: readonly Dialect[];
  start(place: Place): Started;
}

/** What is asked of each; the model answers by calling the agent's own tool for it. */
export const PROMPT = "Make the file.";

export const AGENTS: readonly Agent[] = [
  {
    name: "Claude Code",
    package: "@anthropic-ai/claude-code",
    surface: "messages",
    dialects: ["anthropic-messages", "openai-chat", "gemini"],
    start: ({ origin, key, model, installed }) => ({
      command: join(installed, `@anthropic-ai/claude-code-${process.platform}-${process.arch}`, "claude"),
      runs: [["-p", PROMPT, "--dangerously-skip-permissions", "--model", model]],
      env: { ANTHROPIC_BASE_URL: origin, ANTHROPIC_AUTH_TOKEN: key, IS_SANDBOX: "1", CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1" },
    }),
  },
  {
    name: "Codex",
    package: "@openai/codex",
    surface: "responses",
    dialects: ["openai-chat", "anthropic-messages", "gemini"],
    start: ({ origin, key, model, home, installed }) => {
      mkdirSync(join(home, ".codex"));
      const provider = `[model_providers.gateway]\nname = "gateway"\nbase_url = "${origin}/v1"\nenv_key = "GATEWAY_KEY"\nwire_api = "responses"\n`;
      writeFileSync(join(home, ".codex", "config.toml"), `model = "${model}"\nmodel_provider = "gateway"\n${provider}`);
      return { command: join(installed, ".bin", "codex"), runs: [["exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", PROMPT]], env: { GATEWAY_KEY: key } };
    },
  },
  {
    name: "opencode",
    package: "opencode-ai",
    surface: "chat",
    dialects: ["openai-chat", "anthropic-messages"],
    start: ({ origin, key, model, project, installed }) => {
      const provider = { npm: "@ai-sdk/openai-compatible", name: "gateway", options: { baseURL: `${origin}/v1`, apiKey: key }, models: { [model]: { name: model } } };
      writeFileSync(join(project, "opencode.json"), JSON.stringify({ provider: { gateway: provider }, autoupdate: false, share: "disabled" }));
      return { command: join(installed, `opencode-${process.platform}-${process.arch}`, "bin", "opencode"), runs: [["run", "-m", `gateway/${model}`, PROMPT]], env: {} };
    },
  },
  {
    name: "Cline",
    package: "cline",
    surface: "chat",
    dialects: ["openai-chat", "gemini"],
    start: ({ origin, key, model, installed }) => ({
      command: join(installed, ".bin", "cline"),
      runs: [["auth", "-p", "openai-compatible", "-b", `${origin}/v1`, "-k", key, "-m", model], [PROMPT]],
      env: {},
    }),
  },
  {
    name: "Continue",
    package: "@continuedev/cli",
    surface: "chat",
    dialects: ["openai-chat", "anthropic-messages"],
    start: ({ origin, key, model, home, installed }) => {
      const config = join(home, "config.yaml");
      writeFileSync(config, JSON.stringify({ name: "gateway", version: "1.0.0", schema: "v1", models: [{ name: model, provider: "openai", model, apiBase: `${origin}/v1`, apiKey: key, roles: ["chat"], capabilities: ["tool_use"] }] }));
      return { command: join(installed, ".bin", "cn"), runs: [["-p", "--auto", "--config", config, PROMPT]], env: { CONTINUE_TELEMETRY_ENABLED: "0" } };
    },
  },
];
