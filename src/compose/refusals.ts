/**
 * Requests that are refused before anything is called: they have no record, and are counted all the same, by objectives and for
 * reports, by the one definition of what is valid. A copy of a request for a mirror is nobody's, and is told by nobody here.
 */
import type { Inbound, Refusal } from "../pipeline/inbound.ts";
import type { Caller, Clock } from "../ports.ts";
import type { CountedRequest } from "../storage/outcomes.ts";
import { statusOf, type GatewayError } from "../wire/errors.ts";

export interface RefusalPorts {
  readonly clock: Pick<Clock, "wallMs">;
  readonly metrics: { refused(status: number): void };
  readonly records: { refused(request: CountedRequest): void };
  readonly objectives: () => { recorded(request: CountedRequest): void };
}

export class Refusals {
  readonly #ports: RefusalPorts;

  constructor(ports: RefusalPorts) {
    this.#ports = ports;
  }

  /** By the server itself, before it was handed on. `caller`: null where nobody knows it. */
  readonly atTheDoor = (error: GatewayError, caller: Caller | null): void => {
    this.#ports.metrics.refused(statusOf(error));
    this.#count("", error, caller, {});
  };

  /** By the pipeline; one is made for all requests. */
  readonly early = ({ requestId, caller }: Inbound, error: GatewayError, told: Refusal): void => this.#count(requestId, error, caller, told);

  #count(requestId: string, error: GatewayError, caller: Caller | null, { route = "", why }: Refusal): void {
    const { clock, records, objectives } = this.#ports;
    const request: CountedRequest = {
      requestId, atMs: clock.wallMs(), route, deployment: null, scopes: caller?.scopes ?? [], stream: false, status: statusOf(error), outcome: "error", errorCode: error.code,
      ttftMs: null, totalMs: 0, units: {}, flags: [], attempts: [], decision: {}, ...(why === undefined ? {} : { why }),
    };
    records.refused(request);
    objectives().recorded(request);
  }
}
