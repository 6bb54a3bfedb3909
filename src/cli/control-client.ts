/** The asking side of the control socket in the data folder. */
import { createConnection } from "node:net";

/** Ask a running gateway. Rejects if none listens. */
export function askGateway(path: string, command: string, argument = "", waitMs = 10_000): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path);
    let text = "";
    socket.setEncoding("utf8");
    socket.setTimeout(waitMs, () => socket.destroy(new Error("the gateway does not answer")));
    socket.on("error", reject);
    socket.on("data", (chunk: string) => (text += chunk));
    socket.on("end", () => {
      try {
        resolve(JSON.parse(text));
      } catch (error) {
        reject(error as Error);
      }
    });
    socket.write(`${JSON.stringify({ command, argument })}\n`);
  });
}
