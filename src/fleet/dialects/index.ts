import type { FleetDialect } from "./dialect.ts";
import { openaiChat } from "./openai-chat.ts";

const DIALECTS: Readonly<Record<string, FleetDialect>> = { "openai-chat": openaiChat };

export function dialectOf(name: string): FleetDialect {
  const dialect = DIALECTS[name];
  if (!dialect) throw new Error(`The fleet does not speak ${name}`);
  return dialect;
}
