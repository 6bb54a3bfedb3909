/** Reading request bodies: bounded in size, in time and in expansion, copied at most once. */
import type { IncomingMessage } from "node:http";
import { createBrotliDecompress, createGunzip, createInflate } from "node:zlib";
import { gatewayError, type GatewayError } from "../wire/errors.ts";

export const BODY_LIMIT_BYTES = 32 << 20;
const NONE = Buffer.alloc(0);

/** Room for so many more bytes (unpacked)? What is granted is the caller's to give back. */
export type TakeRoom = (bytes: number) => boolean;

/** Read the whole body; calls back once, not at all if the client leaves. */
export function readRequestBody(request: IncomingMessage, takeRoom: TakeRoom, done: (error: GatewayError | null, body: Buffer) => void): void {
  const declared = Number(request.headers["content-length"] ?? 0);
  if (declared > BODY_LIMIT_BYTES) {
    request.resume();
    done(tooLarge(), NONE);
    return;
  }
  const encoding = request.headers["content-encoding"];
  if (encoding !== undefined && encoding.toLowerCase() !== "identity") readEncoded(request, encoding, takeRoom, done);
  else readPlain(request, takeRoom, done);
}

function readPlain(request: IncomingMessage, takeRoom: TakeRoom, done: (error: GatewayError | null, body: Buffer) => void): void {
  // Most bodies come in one piece, which is then never copied.
  let first: Buffer | null = null;
  let more: Buffer[] | null = null;
  let length = 0;
  let over = false;
  request.on("data", (chunk: Buffer) => {
    if (over) return;
    length += chunk.length;
    const tooLong = length > BODY_LIMIT_BYTES;
    if (tooLong || !takeRoom(chunk.length)) {
      over = true;
      first = more = null;
      done(tooLong ? tooLarge() : noRoom(), NONE);
      return;
    }
    if (first === null) first = chunk;
    else (more ??= [first]).push(chunk);
  });
  request.on("end", () => {
    if (!over) done(null, more === null ? (first ?? NONE) : Buffer.concat(more, length));
  });
}

function readEncoded(request: IncomingMessage, encoding: string, takeRoom: TakeRoom, done: (error: GatewayError | null, body: Buffer) => void): void {
  const name = encoding.trim().toLowerCase();
  const decoder = name === "gzip" || name === "x-gzip" ? createGunzip() : name === "deflate" ? createInflate() : name === "br" ? createBrotliDecompress() : null;
  if (decoder === null) {
    request.resume();
    done(gatewayError("unsupported_encoding", `Content-Encoding ${encoding.slice(0, 40)} is not supported; send gzip, deflate, br or none.`), NONE);
    return;
  }
  const pieces: Buffer[] = [];
  let length = 0;
  let over = false;
  const finish = (error: GatewayError | null): void => {
    if (over) return;
    over = true;
    request.unpipe(decoder);
    request.resume();
    decoder.destroy();
    done(error, error === null ? Buffer.concat(pieces, length) : NONE);
  };
  decoder.on("data", (piece: Buffer) => {
    length += piece.length;
    if (length > BODY_LIMIT_BYTES) finish(tooLarge());
    else if (!takeRoom(piece.length)) finish(noRoom());
    else pieces.push(piece);
  });
  decoder.on("end", () => finish(null));
  decoder.on("error", (error: Error) => finish(gatewayError("unsupported_encoding", `The body is not valid ${name}: ${error.message}`)));
  request.pipe(decoder);
}

function noRoom(): GatewayError {
  return gatewayError("too_many_requests_in_flight", "The bodies of the requests in flight fill the memory that is set aside for them.", { retryAfterMs: 1_000 });
}

function tooLarge(): GatewayError {
  return gatewayError("body_too_large", `The body is larger than ${BODY_LIMIT_BYTES >> 20} MiB.`);
}
