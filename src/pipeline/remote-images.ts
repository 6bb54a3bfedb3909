/**
 * Images that stand in a request by their address, for providers that take only bytes: fetched once for the request,
 * right before the first call that needs them, and let go with its record.
 */
import type { Deployment } from "../decide/deployment.ts";
import { isRemoteImage } from "../decide/needs.ts";
import type { Clock, FetchedImage, ImageFetch, Timer } from "../ports.ts";
import { keepsAddress } from "../providers/capabilities.ts";
import type { Unsupported } from "../providers/dialects/dialect.ts";
import type { ChatRequest, ImagePart, Message, Part } from "../wire/chat.ts";
import type { Later } from "./surface.ts";

const MOST_IMAGES = 16;
const MOST_BYTES = 32 << 20;
const AT_ONCE = 4;
/** For all of a request together. */
const WHOLE_MS = 10_000;

export class RemoteImages {
  readonly #port: ImageFetch;
  readonly #clock: Clock;
  readonly #known = new Map<string, FetchedImage>();
  #released = false;

  constructor(port: ImageFetch, clock: Clock) {
    this.#port = port;
    this.#clock = clock;
  }

  /** The request with the images themselves; `later`: they are yet to be fetched. */
  fill(request: ChatRequest, deployment: Deployment): { readonly kind: "filled"; readonly request: ChatRequest } | Later | Unsupported {
    const wanted = (part: Part): part is ImagePart => isRemoteImage(part) && !keepsAddress(deployment, addressOf(part));
    const addresses = [...new Set(request.messages.flatMap((message) => message.parts.filter(wanted).map(addressOf)))];
    if (addresses.length > MOST_IMAGES) return refused(`at most ${MOST_IMAGES} images are fetched for one request`);
    for (const address of addresses) {
      const known = this.#known.get(address);
      if (known?.kind === "failed") return refused(`the image at ${shownAddress(address)} could not be fetched: ${known.why}`);
    }
    const missing = addresses.filter((address) => !this.#known.has(address));
    if (missing.length > 0) return { kind: "later", wait: (then) => this.#fetchAll(missing, then) };
    if (this.#bytes() > MOST_BYTES) return refused(`the images of one request may have ${MOST_BYTES >> 20} MiB together`);
    return { kind: "filled", request: { ...request, messages: request.messages.map((message) => filled(message, wanted, this.#known)) } };
  }

  /** The request is over. */
  release(): void {
    this.#released = true;
    for (const image of this.#known.values()) if (image.kind === "image") image.release();
    this.#known.clear();
  }

  #bytes(): number {
    let sum = 0;
    for (const image of this.#known.values()) if (image.kind === "image") sum += image.bytes;
    return sum;
  }

  /** Fetch a few at a time until all are here or one has failed. Cancelled: what is here is kept, the rest given up. */
  #fetchAll(addresses: readonly string[], then: () => void): Timer {
    const waiting = [...addresses];
    const running = new Map<string, Timer>();
    const stop = (): void => {
      deadline.cancel();
      waiting.length = 0;
      for (const one of running.values()) one.cancel();
      running.clear();
    };
    const deadline = this.#clock.after(WHOLE_MS, () => {
      for (const address of [...running.keys(), ...waiting]) this.#known.set(address, { kind: "failed", why: `not within ${WHOLE_MS / 1_000} s` });
      stop();
      then();
    });
    const next = (): void => {
      const address = waiting.shift();
      if (address === undefined) return;
      running.set(address, this.#port.load(address, (image) => {
        running.delete(address);
        if (this.#released) {
          if (image.kind === "image") image.release();
          return;
        }
        this.#known.set(address, image);
        const over = image.kind === "failed" || this.#bytes() > MOST_BYTES || (running.size === 0 && waiting.length === 0);
        if (!over) return next();
        if (image.kind !== "failed" && waiting.length + running.size > 0) this.#known.set(address, tooMuch(image));
        stop();
        then();
      }));
    };
    for (let i = 0; i < AT_ONCE; i++) next();
    return { cancel: stop };
  }
}

function tooMuch(image: Extract<FetchedImage, { kind: "image" }>): FetchedImage {
  image.release();
  return { kind: "failed", why: `the images of one request may have ${MOST_BYTES >> 20} MiB together` };
}

function addressOf(part: Part): string {
  return part.kind === "image" && part.source.kind === "url" ? part.source.url : "";
}

/** Host and path: a query may hold a signature. */
function shownAddress(address: string): string {
  return address.replace(/[?#].*$/s, "").replace(/\/\/[^/]*@/, "//").replace(/[^\x21-\x7e]/g, "?").slice(0, 200);
}

function refused(message: string): Unsupported {
  return { kind: "unsupported", param: "messages", message };
}

function filled(message: Message, wanted: (part: Part) => part is ImagePart, known: ReadonlyMap<string, FetchedImage>): Message {
  if (!message.parts.some(wanted)) return message;
  const parts = message.parts.map((part): Part => {
    const image = wanted(part) ? known.get(addressOf(part)) : undefined;
    return image?.kind === "image" ? { ...(part as ImagePart), source: { kind: "base64", mediaType: image.mediaType, base64: image.base64 } } : part;
  });
  return { ...message, parts };
}
