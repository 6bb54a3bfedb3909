/** The Gemini generateContent dialect as an upstream, version v1beta. Base URLs end in the version (`…/v1beta`). */
import type { Dialect } from "../dialect.ts";
import { decodeAnswer, openStream } from "./decode.ts";
import { encodeChat } from "./encode.ts";
import { readError } from "./errors.ts";
import { unboundedFields } from "./unbounded.ts";

export const gemini: Dialect = { id: "gemini", encodeChat, decodeAnswer, openStream, readError, unboundedFields };
