/** One server-sent event, framed but not parsed. */
export interface SseEvent {
  /** The `event:` field, empty where absent. */
  readonly event: string;
  /** The `data:` lines joined by a newline. Empty for a comment-only block. */
  readonly data: string;
}
