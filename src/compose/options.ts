/** What a gateway is started with, and what whoever started it holds. */
import type { LoadedConfig } from "../config/source.ts";
import type { Snapshot } from "../config/snapshot.ts";
import type { Managed } from "../control/manage.ts";
import type { Limits } from "../pipeline/deps.ts";
import type { ImageFetch, Log } from "../ports.ts";

export interface GatewayOptions {
  /** A configuration that parsed. */
  readonly loaded: Extract<LoadedConfig, { ok: true }>;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  readonly adminPort: number;
  /** Where the admin port listens; absent: on the loopback. */
  readonly adminHost?: string;
  /** The admin address of the gateway that keeps the budgets; absent: this one does. */
  readonly authority?: string | null;
  readonly dataDir: string;
  readonly drainMs: number;
  readonly tls: { readonly cert: string; readonly key: string } | null;
  readonly log: Log;
  /** Where one line per request goes; null: nowhere. */
  readonly requestLog: ((text: string) => void) | null;
  readonly maxInFlight: number;
  /** Bodies of all requests in flight together; absent: by the size of the heap. */
  readonly maxBodyBytes?: number;
  /** Reload when the file changes. */
  readonly watch: boolean;
  readonly limits?: Partial<Limits>;
  /** Fetches images by address; absent: from public addresses, over the network. */
  readonly images?: ImageFetch;
  /** How long rows of a dead process wait before they settle as orphans. */
  readonly leaseMs?: number;
}

export interface Gateway {
  readonly url: string;
  readonly port: number;
  readonly adminUrl: string;
  /** The administrator's token, made at this start; null where there was one already. To be shown once. */
  readonly adminToken: string | null;
  readonly snapshot: () => Snapshot;
  /** Organisations, teams, keys and all else that operators manage. */
  readonly managed: Managed;
  /** Validate first, then swap; the old configuration stays if the new one is bad. Resolves to the errors, none if swapped. */
  reload(): Promise<readonly string[]>;
  /** Not ready from now on; new requests for `graceMs` more, then drain, then end what remains. */
  stop(graceMs?: number): Promise<void>;
  /** At once. */
  kill(): void;
}
