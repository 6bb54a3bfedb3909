/** Runs a `spillway` command as a child process, as people do. */
import { spawn } from "node:child_process";

export interface CommandResult {
  readonly code: number | null;
  readonly out: string;
  readonly errors: string;
}

const MAIN = new URL("../../src/cli/main.ts", import.meta.url).pathname;

/** Run to its end, or to `limitMs`, when it is killed and `code` is null. */
export function runCommand(args: readonly string[], options: { readonly env?: Readonly<Record<string, string>>; readonly cwd?: string; readonly limitMs?: number } = {}): Promise<CommandResult> {
  return new Promise((resolve) => {
    const env = { PATH: process.env["PATH"] ?? "", NODE_NO_WARNINGS: "1", ...options.env };
    const child = spawn(process.execPath, [MAIN, ...args], { env, stdio: ["ignore", "pipe", "pipe"], ...(options.cwd === undefined ? {} : { cwd: options.cwd }) });
    const out: Buffer[] = [];
    const errors: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => errors.push(chunk));
    const timer = setTimeout(() => child.kill("SIGKILL"), options.limitMs ?? 20_000);
    child.once("close", (code) => {
      clearTimeout(timer);
      resolve({ code, out: Buffer.concat(out).toString(), errors: Buffer.concat(errors).toString() });
    });
  });
}
