/** A page of a list of models, asked for in the words of one protocol. */
import type { ListedModel, PagingWords } from "../providers/dialects/client.ts";
import { gatewayError, type GatewayError } from "../wire/errors.ts";

/** Some of a list; `more`: undefined where no page was asked for. */
export interface ModelPage {
  readonly kind: "page";
  readonly models: readonly ListedModel[];
  readonly more: boolean | undefined;
}

/** The page that a query asks for, or what is wrong with it. What is empty is not asked. */
export function pageOf(models: readonly ListedModel[], query: string, words: PagingWords | undefined): ModelPage | GatewayError {
  if (query === "" || words === undefined) return { kind: "page", models, more: undefined };
  const asked = new URLSearchParams(query);
  const size = asked.get(words.size) ?? "";
  if (!/^[0-9]*$/.test(size)) return gatewayError("invalid_type", `${words.size} must be a whole number of models.`, { param: words.size });
  const after = asked.get(words.after) ?? "";
  const before = words.before === undefined ? "" : (asked.get(words.before) ?? "");
  if (after !== "" && before !== "") return gatewayError("invalid_type", `Only one of ${words.after} and ${words.before} can be asked for.`, { param: words.before ?? null });
  // 0 is a protocol's way to leave it to the server.
  const count = Number(size) === 0 ? models.length : Number(size);
  const [word, id] = before === "" ? [words.after, after] : [words.before ?? "", before];
  if (id === "" && Number(size) === 0) return { kind: "page", models, more: undefined };
  const at = id === "" ? -1 : models.findIndex((model) => model.id === id);
  if (id !== "" && at < 0) return gatewayError("invalid_type", `${word} must name a model of this list.`, { param: word });
  if (before !== "") return { kind: "page", models: models.slice(Math.max(0, at - count), at), more: at > count };
  return { kind: "page", models: models.slice(at + 1, at + 1 + count), more: at + 1 + count < models.length };
}
