/**
 * What would become of a chat request if it came now: the pipeline's own first half, up to the choice. Nothing is sent, held or
 * recorded, and no route learns of it.
 */
import { describeChoice } from "../decide/choose.ts";
import type { Caller, ClientReply } from "../ports.ts";
import { asString, isObject, type Json, type JsonObject } from "../wire/json.ts";
import type { SurfaceName } from "../wire/surfaces.ts";
import { estimateJson } from "./believed.ts";
import { trialsJson } from "./canary.ts";
import { serveChat, type WeighedChat } from "./chat.ts";
import type { Deps, Snapshot } from "./deps.ts";

export interface DryRequest {
  readonly surface: SurfaceName;
  readonly caller: Caller;
  readonly body: Uint8Array;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  readonly snapshot: Snapshot;
}

/** The surface whose body this looks like. */
export function surfaceOf(body: JsonObject): SurfaceName {
  if (body["messages"] !== undefined) return "chat";
  return body["input"] === undefined ? "completions" : "responses";
}

/** The choice, as a record would hold it and with what is believed of each candidate; or the error that would be answered. */
export function dryRun(deps: Deps, { surface, caller, body, headers, snapshot }: DryRequest): Promise<JsonObject> {
  return new Promise((resolve) => {
    let told: JsonObject | null = null;
    const reply = new KeptReply(({ status, error }) => resolve({ dry_run: true, status, error }));
    const inbound = {
      requestId: "dry-run", caller, body, reply, snapshot,
      asked: { surface, model: undefined, stream: undefined, query: "" },
      header: (name: string) => headers[name],
      done: () => void (told !== null && resolve(told)),
    };
    serveChat(deps, inbound, () => undefined, { weighed: (weighed) => void (told = described(deps, weighed, inbound)) });
  });
}

function described(deps: Deps, { route, choice, shape, pace, warnings }: WeighedChat, inbound: Parameters<typeof trialsJson>[2]): JsonObject {
  const nowMs = deps.clock.nowMs();
  const thresholdMs = pace?.thresholdMs ?? 0;
  const views = choice.candidates.map(({ deployment }) => deps.health.view(deployment.id, deployment.account, shape.endpoint, nowMs, thresholdMs));
  return {
    dry_run: true,
    route: route.name,
    decision: describeChoice(choice, views.map((view) => view.state)),
    estimates: choice.candidates.map((candidate) => estimateJson(deps, { route, shape, pace }, candidate, true)),
    ...(thresholdMs > 0 ? { slow_above_ms: thresholdMs } : {}),
    ...(pace?.wholeMs === undefined ? {} : { whole_slow_above_ms: pace.wholeMs }),
    ...trialsJson(deps, route, inbound),
    warnings,
  };
}

/** Takes the refusal that is written where nothing can be chosen. */
class KeptReply implements ClientReply {
  status = 0;
  readonly #ended: (told: { readonly status: number; readonly error: Json }) => void;

  constructor(ended: (told: { readonly status: number; readonly error: Json }) => void) {
    this.#ended = ended;
  }

  head(status: number): void {
    this.status = status;
  }

  write(): boolean {
    return true;
  }

  end(bytes: Uint8Array | null): void {
    const body: unknown = bytes === null ? null : JSON.parse(new TextDecoder().decode(bytes));
    const error = isObject(body) ? (body["error"] ?? body) : null;
    this.#ended({ status: this.status, error: isObject(error) ? { code: asString(error["code"]) ?? null, message: asString(error["message"]) ?? "", param: asString(error["param"]) ?? null } : null });
  }

  destroy(): void {
    this.#ended({ status: this.status, error: null });
  }

  onGone(): void {
    // Nobody is there to leave.
  }

  onDrain(): void {
    // Never asked to wait.
  }
}
