/**
 * Every TCP connection that this process opens, whoever opens it, every name that it looks up for one, and every host
 * that an undici client means to reach. A test that runs a gateway in its own process sees by it whom the gateway dials.
 */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { Socket } from "node:net";

export interface DialLog {
  /** `host:port` as undici was told to reach it; a name alone where any socket looked it up, found or not. */
  readonly meant: ReadonlySet<string>;
  /** Remote ports of sockets that were connected. */
  readonly ports: ReadonlySet<number>;
  stop(): void;
}

/** Listen until stopped. */
export function logDials(): DialLog {
  const meant = new Set<string>();
  const ports = new Set<number>();
  const onConnect = (message: unknown): void => {
    meant.add((message as { connectParams: { host: string } }).connectParams.host);
  };
  const onSocket = (message: unknown): void => {
    const { socket } = message as { socket: Socket };
    socket.once("connect", () => ports.add(socket.remotePort ?? 0));
    socket.on("lookup", (_error, _address, _family, host) => meant.add(host));
  };
  subscribe("undici:client:beforeConnect", onConnect);
  subscribe("net.client.socket", onSocket);
  return {
    meant,
    ports,
    stop: () => {
      unsubscribe("undici:client:beforeConnect", onConnect);
      unsubscribe("net.client.socket", onSocket);
    },
  };
}
