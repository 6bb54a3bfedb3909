/** Calls that the gateway makes for itself: under which names they stand in records where callers' stand under their key's. */
import { MIRROR_FLAG } from "./canary.ts";
import { PROBE_FLAG } from "./health/due.ts";

/** Names that no caller's key should have: what it did could not be told from what the gateway did. */
export const OWN_CALL_NAMES: ReadonlySet<string> = new Set([PROBE_FLAG, MIRROR_FLAG]);
