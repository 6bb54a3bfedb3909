/** A mail server as small as one can be: it keeps what is sent, and refuses what it is told to. */
import { createServer, type Server, type Socket } from "node:net";
import type { AddressInfo } from "node:net";

export interface MailOptions {
  /** Offers STARTTLS, which it then refuses. */
  readonly offersTls?: boolean;
  /** Lines in place of the usual ones, by command: `RCPT` → `550 no such user`. */
  readonly answers?: Readonly<Record<string, string>>;
  /** Says nothing at all. */
  readonly mute?: boolean;
}
export interface TestMail {
  readonly port: number;
  /** Everything that clients said, line by line. */
  readonly lines: readonly string[];
  /** Mails as they came, header and text. */
  readonly mails: readonly string[];
  close(): Promise<void>;
}

/** Listens on a free port of the loopback. */
export async function testMail(options: MailOptions = {}): Promise<TestMail> {
  const lines: string[] = [];
  const mails: string[] = [];
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    socket.setEncoding("utf8");
    let rest = "";
    let mail: string[] | null = null;
    const say = (line: string): void => void socket.write(`${line}\r\n`);
    const hear = (line: string): void => {
      if (mail !== null) {
        if (line !== ".") return void mail.push(line);
        mails.push(mail.join("\n"));
        mail = null;
        return say("250 taken");
      }
      lines.push(line);
      const command = (line.split(/[ :]/)[0] ?? "").toUpperCase();
      const told = options.answers?.[command];
      if (told !== undefined) return say(told);
      if (command === "EHLO") return say(`250-test${options.offersTls === true ? "\r\n250-STARTTLS" : ""}\r\n250-AUTH PLAIN\r\n250 SIZE 1000000`);
      if (command === "DATA") mail = [];
      if (command === "STARTTLS") return say("454 not now");
      if (command === "AUTH") return say("235 in");
      if (command === "QUIT") return void socket.end("221 bye\r\n");
      say(command === "DATA" ? "354 go on" : "250 ok");
    };
    if (options.mute !== true) say("220 test");
    socket.on("data", (chunk: string) => {
      rest += chunk;
      for (let end = rest.indexOf("\r\n"); end >= 0; end = rest.indexOf("\r\n")) {
        const line = rest.slice(0, end);
        rest = rest.slice(end + 2);
        hear(line);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    lines,
    mails,
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
