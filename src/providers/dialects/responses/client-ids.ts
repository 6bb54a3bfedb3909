/** Ids of an answer that we author: made from the request's id, so that the same answer always bears the same ones. */

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
  const tail = `_${hash(identity)}`;
  return text.slice(0, max - tail.length) + tail;
}

function bare(requestId: string): string {
  return requestId.replace(/^req_/, "");
}

/** 53 bits over the UTF-16 units, base 36: keeps the names of a request apart, no defence against anyone. */
function hash(text: string): string {
  let high = 0x9e3779b9;
  let low = 0x85ebca6b;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    high = Math.imul(high ^ unit, 2654435761);
    low = Math.imul(low ^ unit, 1597334677);
  }
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909);
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909);
  return (4294967296 * (2097151 & low) + (high >>> 0)).toString(36);
}
