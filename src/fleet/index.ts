/** The fleet's front door. Nothing in this folder imports anything of the gateway. */
export type { BillOutcome, BillRow } from "./bill.ts";
export { billCsv } from "./bill-csv.ts";
export { checkFleetConfig, parseFleetConfig, type FleetConfig } from "./config.ts";
export type { Fault, FaultInput, FaultKind, RuleInput } from "./fault.ts";
export { serveControl, type FleetControl } from "./control.ts";
export { gatewayConfig, type FleetAddresses, type GatewayConfigOptions } from "./gateway-config.ts";
export { loadFleetConfig, loadScenario, withReplays } from "./load.ts";
export { startFleet, type Fleet, type FleetClock, type FleetProvider } from "./fleet.ts";
export { costNanoUsd, type ModelPrice } from "./price.ts";
export type { ReceivedCall } from "./provider.ts";
export { DEAD_PRIMARY_2023_11_08, demoFleet, simulatedFleet } from "./ready-made.ts";
export { seededRandom, type Random } from "./random.ts";
export { checkScenario, ScenarioPlayer, type PlayOptions, type Scenario } from "./scenario.ts";
export { arrivals, CHAT_2023, CODE_2023, poissonArrivals, type Arrival, type TrafficLaw } from "./traffic.ts";
