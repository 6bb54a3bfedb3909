/** Models of this maker that refuse to be told how to sample. */
import type { Target } from "../dialect.ts";

/** Does the model answer 400 to temperature and top_p? Later generations take them as long as no effort is asked. */
export function refusesSampling(target: Target, effort: string | undefined): boolean {
  return [target.upstreamModel, target.model?.canonical ?? ""].some((name) => {
    const always = /(?:^|\/)(?:o[1-9]|gpt-5(?!\.|-chat))/.test(name);
    const whileReasoning = /(?:^|\/)gpt-5\.(?!.*-chat)/.test(name) && effort !== undefined && effort !== "none";
    return always || whileReasoning;
  });
}
