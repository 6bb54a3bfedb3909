/** Request and attempt ids: time-ordered, unique across restarts, cheap. */
import { randomBytes } from "node:crypto";

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";

/** `req_<time><boot><counter>`: the boot's random part makes ids of two processes differ, the counter those of one. */
export class BootIds {
  readonly #boot = randomBytes(5).toString("hex");
  #counter = 0;
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
    this.#counter++;
    return base32(this.#wallMs(), 9) + this.#boot + base32(this.#counter, 6);
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
