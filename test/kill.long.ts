/** As kill.test.ts, for longer: rare moments need many rounds. */
import { testKills } from "./kill/declare.ts";

testKills(250);
