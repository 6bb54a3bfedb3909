/** What V8 does with compiled code while nothing is asked of it. */
import { setFlagsFromString } from "node:v8";

/**
 * Keeps what V8 compiled through quiet times; for the process that serves, before it does. Else, after about a minute without requests,
 * V8's collector "reduces memory" and drops compiled code with it, and the next thousands of requests cost 1.5 to 2.5 times as much until it
 * is compiled anew (docs/benchmarks.md). Idle memory is still given back, only without that.
 * Source: v8 --help, `memory-reducer-favors-memory`.
 */
export function keepCompiledCode(): void {
  setFlagsFromString("--no-memory-reducer-favors-memory");
}
