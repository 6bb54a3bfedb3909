/** Writes the providers of a fleet as accounts of a gateway's configuration file. */
import { stringify } from "yaml";
import { checkFleetConfig, type FleetConfig, resolvePrice } from "./config.ts";
import type { TokenPrice } from "./price.ts";

const TYPES = { "openai-chat": "openai-compatible", "anthropic-messages": "anthropic", gemini: "google", "cohere-v2": "cohere" } as const;

/** What of a fleet stands in a gateway's configuration; one that is only asked about needs no sockets. */
export interface FleetAddresses {
  provider(name: string): { readonly baseUrl: string };
}

export interface GatewayConfigOptions {
  /** More of the file: `routes`, `aliases`, `health` … */
  readonly more?: Readonly<Record<string, unknown>>;
  /** More of every model: `capabilities` … */
  readonly model?: Readonly<Record<string, unknown>>;
  /** The credential of every account. */
  readonly apiKey?: string;
}

/** As a gateway's configuration writes it. */
function tokenPrice({ input, output, cache_read, cache_write }: TokenPrice): Record<string, number> {
  return { input, output, ...(cache_read === undefined ? {} : { cache_read }), ...(cache_write === undefined ? {} : { cache_write_5m: cache_write }) };
}

/** The YAML text: every provider with its address, its models and the prices that the fleet charges. */
export function gatewayConfig(config: FleetConfig, fleet: FleetAddresses, options: GatewayConfigOptions = {}): string {
  const accounts = checkFleetConfig(config).providers.map((provider) => {
    const models = Object.entries(provider.models).filter(([name]) => name !== "*").map(([name, model]) => {
      const { input = 0, output = 0, tiers, ...caches } = resolvePrice(name, model) ?? {};
      const tokens = {
        ...tokenPrice({ input, output, ...caches }),
        ...(tiers === undefined ? {} : { tiers: Object.fromEntries(Object.entries(tiers).map(([tier, price]) => [tier, tokenPrice(price)])) }),
      };
      // A model that is billed by the piece alone has no price of tokens, which is not a price of zero.
      const price = model.units === undefined ? tokens : { ...(model.input === undefined && model.output === undefined ? {} : tokens), ...model.units };
      return [name, { price, context: 131072, max_output: 16384, ...options.model }];
    });
    return [provider.name, {
      type: TYPES[provider.dialect],
      base_url: fleet.provider(provider.name).baseUrl,
      api_key: options.apiKey ?? "fleet-key",
      models: Object.fromEntries(models),
    }];
  });
  return stringify({ version: 1, providers: Object.fromEntries(accounts), ...options.more });
}
