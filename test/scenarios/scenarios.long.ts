/** What takes longer, and the other strategy of each outage of our own: see `own.ts`. */
import { ALL_DOWN, BREAKS_OFF, CAPPED_FOR_TEN_MINUTES, CARRIED_ON, CHAT_STAYS, DIES, DIES_BESIDE_A_SLOW_ONE, DOWN_AT_A_HUNDRED, FLAPS, IS_SLOW, QUARTER_FAILS, WAVES_OF_SECONDS } from "./own.ts";
import { describeRuns } from "./runs.ts";

describeRuns("outages of our own against a running gateway, the other way round", [
  [DIES, "priority"],
  [DIES_BESIDE_A_SLOW_ONE, "priority"],
  [FLAPS, "objectives"],
  [WAVES_OF_SECONDS, "priority"],
  [QUARTER_FAILS, "objectives"],
  [IS_SLOW, "priority"],
  [CHAT_STAYS, "objectives"],
  [BREAKS_OFF, "objectives"],
  [CARRIED_ON, "priority"],
  [ALL_DOWN, "objectives"],
]);
describeRuns("all down at a hundred requests a second", [[DOWN_AT_A_HUNDRED, "priority"]]);
describeRuns("a cap for ten minutes", [[CAPPED_FOR_TEN_MINUTES, "priority"], [CAPPED_FOR_TEN_MINUTES, "objectives"]]);
