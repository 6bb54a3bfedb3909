/** Provider and client, written in C so that they cost far less than what they measure; compiled when the benchmark starts. */
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { Child } from "./processes.ts";

/** What the provider counted since its start. `cutOff`: answers whose asker left; `refused`: requests that it cannot read. */
export interface ProviderStats {
  readonly requests: number;
  readonly answers: number;
  readonly streams: number;
  readonly events: number;
  readonly cutOff: number;
  readonly refused: number;
  readonly open: number;
}

export interface Quantiles {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** What the client saw. `addedUs` is what an answer took beyond the time for which the provider held it. */
export interface ClientResult {
  readonly done: number;
  readonly failed: number;
  readonly reopened: number;
  readonly events: number;
  readonly seconds: number;
  readonly firstFailure: string;
  readonly latencyUs?: Quantiles;
  readonly addedUs?: Quantiles;
}

export interface Tools {
  readonly provider: string;
  readonly client: string;
}

/** Compile both into `folder`. Throws an error that says what is missing. */
export function compileTools(folder: string): Tools {
  const build = (name: string): string => {
    const source = new URL(`native/${name}.c`, import.meta.url).pathname;
    const program = join(folder, name);
    try {
      execFileSync("gcc", ["-std=c17", "-O2", "-Wall", "-o", program, source, "-lm"], { stdio: ["ignore", "ignore", "pipe"] });
    } catch (error) {
      const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
      throw new Error(missing ? "gcc is not installed (Debian: apt-get install gcc libc6-dev); provider and client are written in C." : `gcc failed: ${(error as Error).message}`);
    }
    return program;
  };
  return { provider: build("provider"), client: build("client") };
}

/** Lines of JSON, one promise each. */
class JsonLines {
  readonly #lines: AsyncIterator<string>;
  readonly #interface: Interface;

  constructor(input: NodeJS.ReadableStream) {
    this.#interface = createInterface({ input });
    this.#lines = this.#interface[Symbol.asyncIterator]();
  }

  /** The next line; null at the end. */
  async next(): Promise<unknown> {
    const line = await this.#lines.next();
    return line.done === true ? null : (JSON.parse(line.value) as unknown);
  }
}

/** The upstream of all variants. */
export class Provider {
  readonly port: number;
  readonly #child: Child;
  readonly #lines: JsonLines;

  private constructor(child: Child, lines: JsonLines, port: number) {
    this.#child = child;
    this.#lines = lines;
    this.port = port;
  }

  static async start(tools: Tools): Promise<Provider> {
    const child = new Child("load", tools.provider, [], { stdio: ["pipe", "pipe", "inherit"] });
    const lines = new JsonLines(child.process.stdout as NodeJS.ReadableStream);
    const hello = (await lines.next()) as { port: number };
    return new Provider(child, lines, hello.port);
  }

  get baseUrl(): string {
    return `http://127.0.0.1:${this.port}/v1`;
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** How long JSON answers take from now on: lognormal around `meanMs`; 0: no time at all. One seed, one sequence. */
  async setDelay(meanMs: number, sigma: number, seed: number): Promise<void> {
    await this.#command(`delay ${meanMs * 1000} ${sigma} ${seed}`);
  }

  /** How many content events a stream has, and how far apart they are. */
  async setStream(events: number, intervalMs: number): Promise<void> {
    await this.#command(`stream ${events} ${Math.round(intervalMs * 1000)}`);
  }

  async stats(): Promise<ProviderStats> {
    return (await this.#command("stats")) as ProviderStats;
  }

  async stop(): Promise<void> {
    await this.#child.stop(1_000);
  }

  async #command(line: string): Promise<unknown> {
    this.#child.process.stdin?.write(`${line}\n`);
    const answer = await this.#lines.next();
    if (answer === null || (answer as { ok?: boolean }).ok === false) throw new Error(`the provider did not take "${line}"`);
    return answer;
  }
}

export interface LoadSettings {
  readonly mode: "closed" | "poisson" | "stream";
  readonly port: number;
  readonly stream: boolean;
  readonly connections: number;
  readonly headers: readonly string[];
  readonly seed: number;
  /** Streams: content events that each must have. */
  readonly events?: number;
  readonly rampMs?: number;
  /** Poisson: arrivals a second, and for how long. */
  readonly rate?: number;
  readonly seconds?: number;
}

/** What a chat application would send: about 530 bytes. */
function requestBody(stream: boolean): string {
  return JSON.stringify({
    model: MODEL,
    messages: [
      { role: "system", content: "You are the assistant of a company that builds dams. Answer in plain words and at most three sentences; when you do not know, say so. Never give figures that you cannot support, and name the part of the handbook that your answer rests on." },
      { role: "user", content: "Our reservoir has been filling for a week and the forecast says rain until Sunday. What does the spillway do, and who has to be told before it is opened?" },
    ],
    temperature: 0.2,
    max_tokens: 256,
    ...(stream ? { stream: true } : {}),
  });
}

export const MODEL = "bench-model";

/** Starts clients with the keys of the run. */
export class LoadMaker {
  readonly #tools: Tools;
  readonly #folder: string;
  readonly #keysFile: string;
  #number = 0;

  constructor(tools: Tools, folder: string, keys: readonly string[]) {
    this.#tools = tools;
    this.#folder = folder;
    this.#keysFile = this.#file("keys", keys.join("\n"));
  }

  start(settings: LoadSettings): Load {
    const number = this.#number++;
    const args = {
      mode: settings.mode,
      port: settings.port,
      connections: settings.connections,
      seed: settings.seed,
      events: settings.events ?? 100,
      ramp_ms: settings.rampMs ?? 0,
      rate: settings.rate ?? 0,
      seconds: settings.seconds ?? 0,
      keys: this.#keysFile,
      body: this.#file(`body-${number}`, requestBody(settings.stream)),
      headers: this.#file(`headers-${number}`, settings.headers.map((header) => `${header}\r\n`).join("")),
    };
    return new Load(this.#tools.client, Object.entries(args).map(([name, value]) => `${name}=${value}`));
  }

  #file(name: string, text: string): string {
    const path = join(this.#folder, name);
    writeFileSync(path, text);
    return path;
  }
}

/** One run of the client. */
export class Load {
  readonly #child: Child;
  readonly #lines: JsonLines;

  constructor(program: string, args: readonly string[]) {
    this.#child = new Child("load", program, args, { stdio: ["pipe", "pipe", "pipe"] });
    this.#lines = new JsonLines(this.#child.process.stdout as NodeJS.ReadableStream);
  }

  /** Resolves at full load. */
  async steady(): Promise<void> {
    await this.#next();
  }

  /** Begin nothing new. */
  stop(): void {
    this.#child.process.stdin?.end("stop\n");
  }

  /** Resolves when everything in flight has been read to its end. */
  async result(): Promise<ClientResult> {
    const result = (await this.#next()) as ClientResult;
    if (!this.#child.ended) await once(this.#child.process, "exit");
    return result;
  }

  async #next(): Promise<unknown> {
    const line = await this.#lines.next();
    if (line === null) throw new Error(`the client ended: ${this.#child.errors === "" ? "no reason given" : this.#child.errors}`);
    return line;
  }
}
