/**
 * The control socket in the data folder, for commands that act on a running gateway. Who may open the file may command:
 * it is 0600. One JSON line in, one JSON line out.
 */
import { chmodSync } from "node:fs";
import { createServer, type Server } from "node:net";

export type ControlHandler = (command: string, argument: string) => Promise<unknown>;

const LINE_LIMIT = 64 << 10;

export class ControlServer {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static open(path: string, handle: ControlHandler): Promise<ControlServer> {
    const server = createServer((socket) => {
      let text = "";
      socket.setEncoding("utf8");
      socket.on("error", () => socket.destroy());
      socket.on("data", (chunk: string) => {
        text += chunk;
        if (text.length > LINE_LIMIT) socket.destroy();
        const end = text.indexOf("\n");
        if (end < 0) return;
        const line = text.slice(0, end);
        text = "";
        answer(line, handle).then((reply) => socket.end(`${JSON.stringify(reply)}\n`), (error: unknown) => socket.end(`${JSON.stringify({ error: String(error) })}\n`));
      });
    });
    return new Promise((resolve, reject) => {
      const before = process.umask(0o177);
      server.once("error", (error) => {
        process.umask(before);
        reject(error);
      });
      server.listen(path, () => {
        process.umask(before);
        chmodSync(path, 0o600);
        server.unref();
        resolve(new ControlServer(server));
      });
    });
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}

async function answer(line: string, handle: ControlHandler): Promise<unknown> {
  const parsed: unknown = JSON.parse(line);
  const { command, argument } = parsed as { command?: unknown; argument?: unknown };
  if (typeof command !== "string") return { error: "a command is expected" };
  return await handle(command, typeof argument === "string" ? argument : "");
}
