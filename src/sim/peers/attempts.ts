/** The attempt loop that simple policies have in common: one call at a time, each given up after a timeout, until one has content. */
import type { CallListener, RequestApi, SimCall, SimFailure, SimRequest, SimTimer } from "../types.ts";
import { ATTEMPT_TIMEOUT_MS } from "./parameters.ts";

export interface Target {
  readonly deployment: number;
  readonly waitMs: number;
}

/** How a policy decides, and what it learns. */
export interface Rules {
  /** Where to call next, having tried these in order; null: the client gets an error. */
  next(request: SimRequest, tried: readonly number[], nowMs: number): Target | null;
  sent?(deployment: number, nowMs: number): void;
  /** Content came after so long. */
  content?(deployment: number, tookMs: number, nowMs: number): void;
  /** It failed, or was given up (`null`), before content or after. */
  failed?(deployment: number, failure: SimFailure | null, tookMs: number, nowMs: number): void;
  /** The call is over, however it ended. */
  over?(deployment: number, nowMs: number): void;
}

export class Attempts implements CallListener {
  readonly #rules: Rules;
  readonly #request: SimRequest;
  readonly #api: RequestApi;
  readonly #tried: number[] = [];
  #timer: SimTimer | null = null;

  constructor(rules: Rules, request: SimRequest, api: RequestApi) {
    this.#rules = rules;
    this.#request = request;
    this.#api = api;
  }

  start(): void {
    const pick = this.#rules.next(this.#request, this.#tried, this.#api.nowMs);
    if (pick === null) this.#api.fail("nothing_left");
    else if (pick.waitMs > 0) this.#api.after(pick.waitMs, () => this.#send(pick.deployment));
    else this.#send(pick.deployment);
  }

  onContent(call: SimCall): void {
    this.#timer?.cancel();
    this.#rules.content?.(call.deployment, this.#api.nowMs - call.sentMs, this.#api.nowMs);
    this.#api.serve(call);
  }

  onEnd(call: SimCall): void {
    this.#rules.over?.(call.deployment, this.#api.nowMs);
  }

  onFail(call: SimCall, failure: SimFailure): void {
    this.#timer?.cancel();
    this.#failed(call, failure);
  }

  #send(deployment: number): void {
    this.#tried.push(deployment);
    this.#rules.sent?.(deployment, this.#api.nowMs);
    const call = this.#api.call(deployment, this);
    this.#timer = this.#api.after(ATTEMPT_TIMEOUT_MS, () => {
      call.abort();
      this.#failed(call, null);
    });
  }

  #failed(call: SimCall, failure: SimFailure | null): void {
    const { nowMs } = this.#api;
    this.#rules.failed?.(call.deployment, failure, nowMs - call.sentMs, nowMs);
    this.#rules.over?.(call.deployment, nowMs);
    if (!call.hasContent) this.start();
  }
}
