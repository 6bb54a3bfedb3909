import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { costNanoUsd } from "./price.ts";

describe("the fleet's price arithmetic", () => {
  // Worked by hand. 0.15 USD per million = 150,000 pico-dollars a token.
  const rows: readonly [string, Parameters<typeof costNanoUsd>[0], [number, number, number], number][] = [
    ["a thousand in, a hundred out", { input: 0.15, output: 0.6 }, [1000, 0, 100], 210_000],
    ["one token in, half a nano-dollar rounded up", { input: 0.0005, output: 0 }, [1, 0, 0], 1],
    ["one token in, less than half rounded down", { input: 0.0004, output: 0 }, [1, 0, 0], 0],
    ["a million in and a million out", { input: 3, output: 15 }, [1_000_000, 0, 1_000_000], 18_000_000_000],
    ["half of the prompt from the cache", { input: 2.5, output: 10, cache_read: 1.25 }, [1000, 500, 10], 1_250_000 + 625_000 + 100_000],
    ["cached at the input price where no other is known", { input: 1, output: 1 }, [10, 10, 0], 10_000],
    ["nothing", { input: 5, output: 5 }, [0, 0, 0], 0],
    ["sums rounded once: three thirds of a nano", { input: 0.00033, output: 0.00033 }, [2, 0, 1], 1],
  ];
  for (const [name, price, [input, cached, output], nano] of rows) {
    it(name, () => assert.equal(costNanoUsd(price, { input, cached, output }), nano));
  }
});
