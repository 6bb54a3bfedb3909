/** The fleet's front door. Nothing in this folder imports anything of the gateway. */
export type { BillOutcome, BillRow } from "./bill.ts";
export { checkFleetConfig, parseFleetConfig, simulatedFleet, type FleetConfig } from "./config.ts";
export type { Fault, FaultInput, FaultKind, RuleInput } from "./fault.ts";
export { startFleet, type Fleet, type FleetClock, type FleetProvider } from "./fleet.ts";
export { costNanoUsd, type ModelPrice } from "./price.ts";
export type { ReceivedCall } from "./provider.ts";
export { checkScenario, ScenarioPlayer, type PlayOptions, type Scenario } from "./scenario.ts";
