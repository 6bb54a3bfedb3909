/** kill -9 at random moments of mixed load: no upstream call without its row, no finished answer without its charge. */
import { testKills } from "./kill/declare.ts";

testKills(40);
