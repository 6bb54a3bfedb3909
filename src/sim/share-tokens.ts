/** An allowance that every request fills by a share of a call; it starts full. */
export class ShareTokens {
  readonly #share: number;
  readonly #max: number;
  #tokens: number;

  constructor(share: number, max: number) {
    this.#share = share;
    this.#max = max;
    this.#tokens = share > 0 ? max : 0;
  }

  earn(): void {
    this.#tokens = Math.min(this.#max, this.#tokens + this.#share);
  }

  tokens(): number {
    return this.#tokens;
  }

  tryTake(): boolean {
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}
