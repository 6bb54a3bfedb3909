/** Reads a price list that others keep, by its format. */
import { readCsv } from "./csv.ts";
import type { FeedContext, FeedFormat, ReadFeed } from "./feed.ts";
import { readGenaiPrices } from "./genai-prices.ts";
import { readLiteLlm } from "./litellm.ts";
import { readModelsDev } from "./models-dev.ts";

export { FEED_FORMATS, type FeedContext, type FeedFormat, type FeedPrice, type ReadFeed } from "./feed.ts";

const READERS: Readonly<Record<FeedFormat, (text: string, context: FeedContext) => ReadFeed>> = {
  "models.dev": readModelsDev,
  litellm: readLiteLlm,
  "genai-prices": readGenaiPrices,
  csv: readCsv,
};

/** What a feed's text says. Never throws: a file that is not of its format is told, and says nothing. */
export function readFeed(format: FeedFormat, text: string, context: FeedContext): ReadFeed {
  return READERS[format](text, context);
}
