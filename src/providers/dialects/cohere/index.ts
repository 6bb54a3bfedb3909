/** The Cohere v2 chat dialect: as an upstream, with base URLs that end in the version (`…/v2`), and as clients speak it. */
import type { Dialect } from "../dialect.ts";
import { decodeAnswer, openStream } from "./decode.ts";
import { encodeChat } from "./encode.ts";
import { readError } from "./errors.ts";
import { unboundedFields } from "./unbounded.ts";

export { cohereClient } from "./client.ts";

export const cohereV2: Dialect = { id: "cohere-v2", encodeChat, decodeAnswer, openStream, readError, unboundedFields };
