/** Ids of an answer that we author: made from the request's id, so that the same answer always bears the same ones. */
import { nameHash } from "../../../wire/name-hash.ts";

const CALL_ID_MAX = 64;

export function responseId(requestId: string): string {
  return `resp_${bare(requestId)}`;
}

/** @param prefix what the item is: msg, rs, fc, ctc */
export function itemId(prefix: string, requestId: string, outputIndex: number): string {
  return `${prefix}_${bare(requestId)}_${outputIndex}`;
}

/** The hub's id of a call, where it fits; else its beginning and a hash, the same in every turn. */
export function callIdOf(id: string): string {
  return id.length <= CALL_ID_MAX ? id : shortened(id, CALL_ID_MAX, id);
}

/** The beginning of `text` and a hash of `identity`, at most `max` long. */
export function shortened(text: string, max: number, identity: string): string {
  const tail = `_${nameHash(identity)}`;
  return text.slice(0, max - tail.length) + tail;
}

function bare(requestId: string): string {
  return requestId.replace(/^req_/, "");
}
