/** As kill.test.ts, for longer: rare moments need many rounds. About half an hour on two cores. */
import { testKills } from "./kill/declare.ts";

testKills(1_000);
