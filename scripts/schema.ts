/** Writes the JSON Schema that editors check a spillway.yaml with. Run after a change of src/config/schema.ts. */
import { writeFileSync } from "node:fs";
import { editorSchema } from "../src/config/schema.ts";

const file = new URL("../src/config/spillway.schema.json", import.meta.url);
writeFileSync(file, `${JSON.stringify(editorSchema(), null, 2)}\n`);
