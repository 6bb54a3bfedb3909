/** A receiver of alerts, as a channel's webhook, and what it was told. */
import type { JsonObject } from "../../src/wire/json.ts";
import { json, recordingUpstream } from "./recording-upstream.ts";

/** What a webhook gets, as far as tests look. */
export interface ToldAlert {
  readonly kind: string;
  readonly title: string;
  readonly fields: Readonly<Record<string, unknown>>;
}
export interface AlertsTold {
  readonly told: readonly ToldAlert[];
  /** A channel of the configuration that sends these kinds here. */
  channel(kinds: readonly string[]): JsonObject;
  /** Resolves when one like this was told. */
  until(is: (alert: ToldAlert) => boolean): Promise<void>;
  close(): Promise<void>;
}

/** Start one on a free port. */
export async function alertsTold(): Promise<AlertsTold> {
  const told: ToldAlert[] = [];
  let heard = (): void => undefined;
  const hooks = await recordingUpstream();
  hooks.answer((call, socket) => {
    told.push(JSON.parse(call.body.toString()) as ToldAlert);
    json({})(call, socket);
    heard();
  });
  return {
    told,
    channel: (kinds) => ({ name: "ops", type: "webhook", url: `${hooks.origin}/in`, secret: "what-the-receiver-knows", kinds }),
    until: async (is) => {
      while (!told.some(is)) await new Promise<void>((resolve) => (heard = resolve));
    },
    close: () => hooks.close(),
  };
}
