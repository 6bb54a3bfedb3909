/** What is told to people: an alert on its way to channels. No secrets, and nothing of what clients send or models answer. */

export const NOTICE_KINDS = [
  "budget_alert", "budget_refused", "overrun", "forecast", "price_changed", "cost_spike", "provider_excluded", "provider_restored", "objective_burn", "objective_kept", "canary_rolled_back", "digest", "test",
] as const;
export type NoticeKind = (typeof NOTICE_KINDS)[number];

/** From the least to the gravest. */
export const SEVERITIES = ["info", "warning", "critical"] as const;
export type Severity = (typeof SEVERITIES)[number];

export interface Notice {
  readonly kind: NoticeKind;
  readonly severity: Severity;
  /** One line. */
  readonly title: string;
  /** One to a few sentences. */
  readonly text: string;
  /** Facts by name, for machines and for a table below the text. */
  readonly fields: Readonly<Record<string, string | number | null>>;
  /** The same key within `dedupMs` is told once. */
  readonly dedupKey: string;
  /** Absent: an hour. */
  readonly dedupMs?: number;
  readonly atMs: number;
  /** Whose it is; `default` for what concerns the whole installation. */
  readonly tenant: string;
  /** What it is about: `team/search`, `provider/openai`. */
  readonly scopes: readonly string[];
}

/** Is `severity` as grave as `least`, or graver? */
export function atLeast(severity: Severity, least: Severity): boolean {
  return SEVERITIES.indexOf(severity) >= SEVERITIES.indexOf(least);
}

/** Where alerts go, with what is needed to send them. Secrets are in clear here: it is made for the moment of sending. */
export type ChannelTarget =
  | { readonly type: "webhook"; readonly url: string; readonly secret: string }
  | { readonly type: "slack"; readonly url: string }
  | {
      readonly type: "smtp";
      readonly host: string;
      readonly port: number;
      /** `starttls`: refused where the server does not offer it. */
      readonly tls: "starttls" | "tls" | "none";
      readonly user: string | null;
      readonly password: string | null;
      readonly from: string;
      readonly to: readonly string[];
    };

export interface Channel {
  /** `config:ops` for those of the configuration. */
  readonly id: string;
  readonly name: string;
  readonly type: ChannelTarget["type"];
  /** Host that it leads to, which is all that is shown of its address. */
  readonly host: string;
  /** A function, so that no log, listing or dump of a channel shows its secrets. */
  readonly target: () => ChannelTarget;
  /** null: all kinds. */
  readonly kinds: readonly NoticeKind[] | null;
  readonly minSeverity: Severity;
  /** Only what is about one of these; null: everything. */
  readonly scopes: readonly string[] | null;
  /** Only what is this organisation's; null: everybody's. */
  readonly tenant: string | null;
  /** Notices an hour; what is beyond is held back and counted. */
  readonly perHour: number;
  /** Public addresses only: an organisation that is a guest here must not reach into the network of its host. */
  readonly publicOnly: boolean;
}

/** Does the channel take this? */
export function takes(channel: Channel, notice: Notice): boolean {
  if (channel.tenant !== null && channel.tenant !== notice.tenant) return false;
  if (channel.kinds !== null && !channel.kinds.includes(notice.kind)) return false;
  if (!atLeast(notice.severity, channel.minSeverity)) return false;
  return channel.scopes === null || channel.scopes.some((scope) => notice.scopes.includes(scope));
}
