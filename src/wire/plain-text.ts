/**
 * Words of others where people read them: names, tags, messages of providers. A terminal obeys control characters, and those
 * that turn the direction of writing make one text look like another.
 */
const UNPLAIN = /[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/u;
const ALL_UNPLAIN = new RegExp(UNPLAIN, "gu");

/** Is there nothing in it but what can be seen, and spaces? */
export function isPlainText(text: string): boolean {
  return !UNPLAIN.test(text);
}

/** The text with a sign in place of each character that a terminal would obey. */
export function plainText(text: string): string {
  return isPlainText(text) ? text : text.replace(ALL_UNPLAIN, "\ufffd");
}
