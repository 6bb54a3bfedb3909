/** A reader that leaves early, as `head` does: what is still written goes nowhere, and the command ends in silence. */
import type { EventEmitter } from "node:events";

/** Keep a closed pipe from ending the process with a stack trace. What was begun is finished; the signal ends what would go on for ever. */
export function endQuietly(streams: readonly EventEmitter[]): AbortSignal {
  const left = new AbortController();
  for (const stream of streams) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
      left.abort();
    });
  }
  return left.signal;
}
