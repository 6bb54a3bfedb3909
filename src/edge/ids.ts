/** Request and attempt ids: time-ordered, unique across restarts, cheap. */
import { randomBytes } from "node:crypto";

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";
/** Two digits at a time. */
const PAIRS: readonly string[] = Array.from({ length: 1024 }, (_, i) => `${ALPHABET[i >> 5]}${ALPHABET[i & 31]}`);

/** `req_<time><boot><counter>`: the boot's random part makes ids of two processes differ, the counter those of one. */
export class BootIds {
  readonly #boot = randomBytes(5).toString("hex");
  #counter = 0;
  /** The millisecond that `#head` is of. */
  #headMs = Number.NaN;
  /** Time and boot: the same for all ids of one millisecond. */
  #head = "";
  readonly #wallMs: () => number;

  constructor(wallMs: () => number) {
    this.#wallMs = wallMs;
  }

  requestId(): string {
    return `req_${this.#next()}`;
  }

  attemptId(): string {
    return `att_${this.#next()}`;
  }

  #next(): string {
    const nowMs = this.#wallMs();
    if (nowMs !== this.#headMs) {
      this.#headMs = nowMs;
      this.#head = base32(nowMs, 9) + this.#boot;
    }
    const counter = ++this.#counter;
    return `${this.#head}${PAIRS[(counter >>> 20) & 1023]}${PAIRS[(counter >>> 10) & 1023]}${PAIRS[counter & 1023]}`;
  }
}

function base32(value: number, places: number): string {
  let out = "";
  let rest = value;
  for (let i = 0; i < places; i++) {
    out = (ALPHABET[rest % 32] as string) + out;
    rest = Math.floor(rest / 32);
  }
  return out;
}
