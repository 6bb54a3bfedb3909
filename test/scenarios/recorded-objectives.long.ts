/** See `recorded.ts`. */
import { describeRecorded } from "./recorded.ts";

describeRecorded("objectives");
