/** OpenAI's own API description served by steady, which says of each request whether it is valid. */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { gunzipSync } from "node:zlib";

export interface Steady {
  /** Problems of a request; none if it is valid. Throws where steady does not know the path. */
  problems(path: string, body: string | Uint8Array): Promise<readonly string[]>;
  close(): Promise<void>;
}

/** Start it on a free port of the loopback. */
export async function startSteady(): Promise<Steady> {
  const shared = process.env["SPILLWAY_SHARED"] ?? resolve(import.meta.dirname, "../../../shared");
  const folder = mkdtempSync(join(tmpdir(), "spillway-steady-"));
  const file = join(folder, "openapi.json");
  writeFileSync(file, gunzipSync(readFileSync(join(shared, "data/fixtures/openai-openapi/openapi.json.gz"))));
  const port = await freePort();
  const bin = resolve(import.meta.dirname, "../../node_modules/.bin/steady");
  // A group of its own: the script starts a program for the platform, and both have to end.
  const child = spawn(bin, ["--host", "127.0.0.1", "--port", String(port), "--no-color", file], { stdio: ["ignore", "pipe", "pipe"], detached: true });
  let output = "";
  const keep = (chunk: Buffer): void => {
    output += chunk.toString();
  };
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  const gone = new Promise<void>((done) => child.once("exit", () => done()));
  await answering(port, () => child.exitCode, () => output).catch((error: unknown) => {
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, "SIGKILL");
    throw error;
  });
  return {
    async problems(path, body) {
      const answer = await fetch(`http://127.0.0.1:${port}${path}`, { method: "POST", headers: { "content-type": "application/json", authorization: "Bearer any" }, body: Buffer.from(body) });
      const text = await answer.text();
      const valid = answer.headers.get("x-steady-request-valid");
      if (valid === null) throw new Error(`steady did not judge ${path}: ${answer.status} ${text.slice(0, 300)}`);
      if (valid === "true") return [];
      const count = Number(answer.headers.get("x-steady-error-count"));
      return Array.from({ length: count }, (_, i) => `${answer.headers.get(`x-steady-error-${i + 1}-path`)}: ${answer.headers.get(`x-steady-error-${i + 1}-message`)}`);
    },
    async close() {
      if (child.pid !== undefined) process.kill(-child.pid, "SIGTERM");
      await gone;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const READY_WITHIN_MS = 60_000;

/** What it prints depends on its surroundings, so readiness is that it answers. */
async function answering(port: number, exitCode: () => number | null, output: () => string): Promise<void> {
  const end = performance.now() + READY_WITHIN_MS;
  while (performance.now() < end) {
    if (exitCode() !== null) throw new Error(`steady ended with ${exitCode()}:\n${output()}`);
    const answered = await fetch(`http://127.0.0.1:${port}/models`, { headers: { authorization: "Bearer any" } }).then((answer) => answer.arrayBuffer(), () => null);
    if (answered !== null) return;
    await new Promise((resume) => setTimeout(resume, 100));
  }
  throw new Error(`steady does not answer on port ${port}:\n${output()}`);
}

function freePort(): Promise<number> {
  return new Promise((done) => {
    const server = createServer();
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => done(port));
    });
  });
}
