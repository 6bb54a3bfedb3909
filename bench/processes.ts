/** Child processes of the benchmark: started, waited for, weighed by what the kernel says of them, and ended. */
import { spawn, type ChildProcess, type SpawnOptions } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { createServer, connect } from "node:net";
import { availableParallelism } from "node:os";

/** The kernel's clock tick in /proc is 10 ms on every Linux that Node.js runs on. */
const TICK_MS = 10;
const START_TIMEOUT_MS = 30_000;

/** Which side of the machine a process runs on: with four cores or more, load and gateways do not share any. */
export type Side = "load" | "gateway";

function pinned(side: Side, command: string, args: readonly string[]): [string, string[]] {
  const cores = availableParallelism();
  if (cores < 4) return [command, [...args]];
  const list = side === "load" ? `${cores - 2}-${cores - 1}` : `0-${cores - 3}`;
  return ["taskset", ["--cpu-list", list, command, ...args]];
}

/** A process that ends with this one at the latest. */
export class Child {
  readonly process: ChildProcess;
  readonly #gone: Promise<unknown>;
  #errors = "";

  constructor(side: Side, command: string, args: readonly string[], options: SpawnOptions = {}) {
    const [program, list] = pinned(side, command, args);
    this.process = spawn(program, list, options);
    RUNNING.add(this.process);
    this.#gone = once(this.process, "exit").finally(() => RUNNING.delete(this.process));
    this.process.stderr?.on("data", (chunk: Buffer) => {
      this.#errors = (this.#errors + chunk.toString()).slice(-4_000);
    });
  }

  /** The last of what it wrote to stderr, where that is a pipe. */
  get errors(): string {
    return this.#errors.trim();
  }

  get pid(): number {
    const { pid } = this.process;
    if (pid === undefined) throw new Error(`${this.process.spawnfile} could not be started`);
    return pid;
  }

  get ended(): boolean {
    return this.process.exitCode !== null || this.process.signalCode !== null;
  }

  /** Resolves when the port takes connections; rejects if the process ends first. */
  async listens(port: number): Promise<void> {
    const giveUpAt = performance.now() + START_TIMEOUT_MS;
    while (!(await accepts(port))) {
      if (this.ended) throw new Error(`${this.process.spawnfile} ended before it listened: ${this.errors}`);
      if (performance.now() > giveUpAt) throw new Error(`${this.process.spawnfile} does not listen on port ${port}: ${this.errors}`);
      await sleep(50);
    }
  }

  /** SIGTERM, and after `graceMs` SIGKILL. */
  async stop(graceMs: number): Promise<void> {
    if (this.ended) return;
    this.process.kill("SIGTERM");
    const timer = setTimeout(() => this.process.kill("SIGKILL"), graceMs);
    await this.#gone;
    clearTimeout(timer);
  }
}

const RUNNING = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of RUNNING) child.kill("SIGKILL");
});

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no free port");
  return address.port;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    const told = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once("connect", () => told(true));
    socket.once("error", () => told(false));
  });
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** User and system time of a process with all its threads and descendants, in ms. */
export function cpuMs(pid: number): number {
  let ticks = 0;
  for (const one of family(pid)) {
    const fields = statOf(one);
    if (fields !== null) ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks * TICK_MS;
}

/** Resident memory of a process and its descendants, in bytes. */
export function residentBytes(pid: number): number {
  let total = 0;
  for (const one of family(pid)) {
    const kib = /^VmRSS:\s+(\d+) kB/m.exec(readProc(`${one}/status`) ?? "")?.[1];
    total += Number(kib ?? 0) * 1024;
  }
  return total;
}

function family(pid: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const fields = statOf(Number(name));
    if (fields !== null) parents.set(Number(name), Number(fields[1]));
  }
  const members = [pid];
  for (const member of members) for (const [child, parent] of parents) if (parent === member) members.push(child);
  return members;
}

/** The fields of /proc/PID/stat from the third on (the name before may hold anything); null if the process is gone. */
function statOf(pid: number): readonly string[] | null {
  const text = readProc(`${pid}/stat`);
  return text === null ? null : text.slice(text.lastIndexOf(")") + 2).split(" ");
}

function readProc(path: string): string | null {
  try {
    return readFileSync(`/proc/${path}`, "utf8");
  } catch {
    // It ended between the listing and this.
    return null;
  }
}
