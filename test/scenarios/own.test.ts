/** See `own.ts`; what is not here runs in `scenarios.long.ts`. */
import { ALL_DOWN, BREAKS_OFF, CAPPED, CARRIED_ON, CHAT_STAYS, DIES, DIES_BESIDE_A_SLOW_ONE, FLAPS, QUARTER_FAILS } from "./own.ts";
import { describeRuns } from "./runs.ts";

describeRuns("outages of our own against a running gateway", [
  [DIES, "objectives"],
  [DIES_BESIDE_A_SLOW_ONE, "objectives"],
  [FLAPS, "priority"],
  [QUARTER_FAILS, "priority"],
  [CHAT_STAYS, "priority"],
  [BREAKS_OFF, "priority"],
  [CARRIED_ON, "objectives"],
  [CAPPED, "priority"],
  [ALL_DOWN, "priority"],
]);
