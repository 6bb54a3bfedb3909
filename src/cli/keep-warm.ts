/** How V8 treats a process that serves: when it compiles for good, and what it does with compiled code and young memory while nothing is asked of it. */
import { setFlagsFromString } from "node:v8";

/**
 * V8 compiles a function for good after 3,000 calls, on what it has seen of them, so that what it puts into what is a matter of chance: of nine
 * processes alike, two cost a quarter to a half more per request than the others for as long as they ran. After 20,000 calls it has seen enough (docs/benchmarks.md).
 *
 * Keeps a gateway as quick after quiet times as before; for the process that serves, before it does. After about a minute without requests
 * V8's collector "reduces memory": it drops compiled code, so that the next thousands of requests cost 1.5 to 2.5 times as much until it is
 * compiled anew, and shrinks young memory to a megabyte, which grows back by doubling while each collection stops the process for a
 * millisecond, several times a second (docs/benchmarks.md). Here memory is given back without the first, and grows back in one step.
 * Source: v8 --help, `invocation-count-for-turbofan`, `memory-reducer-favors-memory` and `semi-space-growth-factor`.
 */
export function keepWarm(): void {
  setFlagsFromString("--invocation-count-for-turbofan=20000");
  setFlagsFromString("--no-memory-reducer-favors-memory");
  setFlagsFromString("--semi-space-growth-factor=16");
}
