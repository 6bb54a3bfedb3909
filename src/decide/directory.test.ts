import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DEFAULT_CLOCKS } from "./deployment.ts";
import { buildDirectory, type DirectoryInput, type DirectoryRoute } from "./directory.ts";
import type { Resolution } from "./names.ts";
import { account, catalogue, directoryInput, model, MODELS, sheet, WORLD } from "./test-directory.ts";

type Accounts = DirectoryInput["accounts"];

function resolve(name: string, accounts: Accounts, more: Partial<DirectoryInput> = {}): Resolution {
  return buildDirectory(directoryInput(accounts, more)).directory.resolve(name);
}
/** Deployment ids in order, automatic ones in brackets; for what does not resolve its code. */
function ids(resolution: Resolution): string {
  if (resolution.kind === "unresolved") return resolution.code;
  return resolution.route.candidates.map(({ deployment, automatic }) => (automatic ? `(${deployment.id})` : deployment.id)).join(" ");
}
function message(resolution: Resolution): string {
  assert.equal(resolution.kind, "unresolved");
  return resolution.kind === "unresolved" ? resolution.message : "";
}
function route(name: string, ...candidates: readonly string[]): DirectoryRoute {
  const uses = candidates.map((use) => ({ use, weight: 1 }));
  return { name, candidates: uses, strategy: "priority", clocks: DEFAULT_CLOCKS, keepalive: true, forwardHeaders: [], defaultMaxOutput: 8_192 };
}
const own = (price: ReturnType<typeof sheet> | null, unmetered = false) => ({ price, unmetered, contextWindow: null, maxOutput: null });

describe("the order in which a name is looked up", () => {
  const accounts = [account("maker"), account("hosta"), account("agg")];
  const routes = [route("maker/big", "hosta/vendor/open"), route("support", "maker/big", "agg/maker/big")];

  it("route before everything", () => {
    const aliases = [{ pattern: "maker/big", target: "agg/maker/big" }];
    assert.equal(ids(resolve("maker/big", accounts, { routes, aliases })), "hosta/vendor/open");
  });

  it("alias before catalogue, an exact one before a pattern, patterns in file order", () => {
    const aliases = [
      { pattern: "maker/*", target: "support" },
      { pattern: "*/deep", target: "hosta/vendor/open" },
      { pattern: "maker/old", target: "agg/maker/big" },
    ];
    assert.equal(ids(resolve("maker/deep", accounts, { routes, aliases })), "maker/big agg/maker/big");
    assert.equal(ids(resolve("maker/old", accounts, { routes, aliases })), "agg/maker/big");
    assert.equal(ids(resolve("else/deep", accounts, { routes, aliases })), "hosta/vendor/open");
  });

  it("an alias of an alias is not followed, so no chain can run in a circle", () => {
    const aliases = [{ pattern: "a", target: "b" }, { pattern: "b", target: "a" }];
    const built = buildDirectory(directoryInput(accounts, { aliases }));
    assert.equal(ids(built.directory.resolve("a")), "unknown_model");
    assert.deepEqual(built.problems.map(({ path, code }) => [path, code]), [[["aliases", "a"], "unknown_model"], [["aliases", "b"], "unknown_model"]]);
  });

  it("a pattern's star matches any run, everything else is itself", () => {
    const aliases = [{ pattern: "g*-4.*o", target: "maker/big" }];
    for (const [name, expected] of [["gpt-4.1-o", "maker/big"], ["g-4.o", "maker/big"], ["gpt-4x1-o", "unknown_model"], ["gpt-4.1", "unknown_model"]] as const) {
      assert.equal(ids(resolve(name, accounts, { aliases })), expected, name);
    }
  });

  it("catalogue id: the provider's accounts in file order", () => {
    assert.equal(ids(resolve("maker/big", [account("second", "maker"), account("maker")])), "second/big maker/big");
  });

  it("an account's name: that account alone", () => {
    assert.equal(ids(resolve("second/big", [account("second", "maker"), account("maker")])), "second/big");
  });

  it("a catalogue id of a provider that is not configured is tried as an aggregator's own name", () => {
    assert.equal(ids(resolve("maker/big", [account("agg")])), "agg/maker/big");
  });

  it("canonical name before an upstream name", () => {
    const clash = catalogue([...MODELS, model("hosta/big", "something-else")]);
    assert.equal(ids(resolve("big", [account("hosta"), account("maker")], { catalogue: clash })), "maker/big");
    assert.equal(ids(resolve("big", [account("hosta")], { catalogue: clash })), "hosta/big");
  });

  it("upstream name if only one configured provider has it", () => {
    assert.equal(ids(resolve("shared-name", [account("hosta"), account("maker")])), "hosta/shared-name");
    assert.equal(ids(resolve("solo", [account("hostb"), account("b2", "hostb")])), "hostb/solo b2/solo");
    assert.equal(ids(resolve("open-latest", [account("hostb")])), "hostb/open-70b");
  });

  it("else it is ambiguous, and the candidates are named", () => {
    const resolution = resolve("shared-name", [account("hosta"), account("hostb")]);
    assert.equal(ids(resolution), "ambiguous_model");
    assert.match(message(resolution), /ask for one of hosta\/shared-name, hostb\/shared-name$/);
  });

  it("a model that only the configuration knows is found by its bare name", () => {
    const local = account("local", "compat", { models: new Map([["llama", own(sheet(1, 1))]]) });
    assert.equal(ids(resolve("llama", [local])), "local/llama");
    const other = account("other", "compat", { models: local.models });
    assert.equal(ids(resolve("llama", [local, other])), "ambiguous_model");
  });

  it("drops one leading models/, and only one", () => {
    assert.equal(ids(resolve("models/big", accounts)), "maker/big");
    assert.equal(ids(resolve("models/models/big", accounts)), "unknown_model");
  });

  it("tells every step it took", () => {
    const resolution = resolve("models/big", accounts, { fallbacks: "auto" });
    assert.deepEqual(resolution.trace, [
      'leading "models/" dropped: big',
      'route: none is named "big"',
      "alias: none matches",
      "catalogue id: no such id",
      "account/model: no such account",
      "canonical name: maker (maker) is preferred among maker, agg",
      "candidate 1: maker/big",
      "candidate 2: agg/maker/big (automatic fallback)",
    ]);
  });
});

describe("who serves a canonical name", () => {
  it("its maker, if configured", () => assert.equal(ids(resolve("big", [account("agg"), account("maker")])), "maker/big"));
  it("else the cheapest direct host", () => assert.equal(ids(resolve("open", [account("agg"), account("hosta"), account("hostb")])), "hostb/open-70b"));
  it("aggregators last, though they be cheaper", () => assert.equal(ids(resolve("open", [account("agg"), account("hosta")])), "hosta/vendor/open"));
  it("another variant only where nothing else is", () => {
    const only = MODELS.filter((one) => one.id !== "hosta/vendor/open");
    assert.equal(ids(resolve("open", [account("hosta")], { catalogue: catalogue(only) })), "hosta/vendor/open-fp8");
  });
  it("under the plain name, not a dated one", () => assert.equal(ids(resolve("big", [account("maker")])), "maker/big"));
  it("under the plain name also where its owner gave it a price, and a snapshot of it is cheaper by the catalogue", () => {
    const snapshot = catalogue([...MODELS, model("maker/big-2025", "big")]);
    const dear = account("maker", "maker", { models: new Map([["big", own(sheet(7, 9))]]) });
    assert.equal(ids(resolve("big", [dear], { catalogue: snapshot })), "maker/big");
    const near = account("maker", "maker", { unmetered: true, models: dear.models });
    assert.equal(ids(resolve("big", [near], { catalogue: snapshot })), "maker/big");
  });
});

describe("automatic fallbacks", () => {
  const auto = { fallbacks: "auto" } as const;

  it("come for names that are no routes, never into a route", () => {
    const accounts = [account("maker"), account("agg")];
    assert.equal(ids(resolve("big", accounts, auto)), "maker/big (agg/maker/big)");
    assert.equal(ids(resolve("maker/big", accounts, auto)), "maker/big (agg/maker/big)");
    assert.equal(ids(resolve("r", accounts, { ...auto, routes: [route("r", "maker/big")] })), "maker/big");
    assert.equal(ids(resolve("big", accounts)), "maker/big");
  });

  it("are of another provider", () => assert.equal(ids(resolve("maker/big", [account("maker")], auto)), "maker/big"));

  it("are of the same variant", () => {
    const accounts = [account("agg"), account("hosta")];
    assert.equal(ids(resolve("agg/vendor/open", accounts, { ...auto, catalogue: catalogue(MODELS.filter((one) => one.id !== "hosta/vendor/open")) })), "agg/vendor/open");
  });

  it("cost at most 1.5 times the first's output, to the pico-dollar", () => {
    for (const [price, expected] of [[6, "maker/big (agg/maker/big)"], [6.000001, "maker/big"]] as const) {
      const models = MODELS.map((one) => (one.id === "agg/maker/big" ? { ...one, price: sheet(1, price) } : one));
      assert.equal(ids(resolve("big", [account("maker"), account("agg")], { ...auto, catalogue: catalogue(models) })), expected, String(price));
    }
  });

  it("stay within the residency class", () => {
    const accounts = [account("hosta"), account("euro")];
    assert.equal(ids(resolve("hosta/vendor/open", accounts, auto)), "hosta/vendor/open");
    assert.equal(ids(resolve("euro/open", accounts, auto)), "euro/open");
    const german = account("hosta-eu", "hosta", { region: "eu-central-1" });
    assert.equal(ids(resolve("hosta-eu/vendor/open", [german, account("euro"), account("hostb")], auto)), "hosta-eu/vendor/open (euro/open)");
  });

  it("take a stated region at its word: us is not just anywhere", () => {
    const american = account("hosta", "hosta", { region: "us" });
    assert.equal(ids(resolve("hosta/vendor/open", [american, account("hostb")], auto)), "hosta/vendor/open");
    assert.equal(ids(resolve("hosta/vendor/open", [american, account("hostb", "hostb", { region: "us-east-1" })], auto)), "hosta/vendor/open (hostb/open-70b)");
  });

  it("never stand on unknown facts", () => {
    for (const unknown of [{ contextWindow: null }, { maxOutput: null }, { price: null }]) {
      const models = MODELS.map((one) => (one.id === "agg/maker/big" ? { ...one, ...unknown } : one));
      assert.equal(ids(resolve("big", [account("maker"), account("agg")], { ...auto, unpriced: "serve", catalogue: catalogue(models) })), "maker/big", JSON.stringify(unknown));
    }
  });

  it("are direct hosts by price, then aggregators", () => {
    const accounts = [account("agg"), account("hostb"), account("maker"), account("hosta")];
    const models = [...MODELS, model("maker/open", "open", { price: sheet(2, 2) })];
    assert.equal(ids(resolve("open", accounts, { ...auto, catalogue: catalogue(models) })), "maker/open (hostb/open-70b) (hosta/vendor/open) (agg/vendor/open)");
  });
});

describe("what cannot be called says why", () => {
  const maker = [account("maker")];

  it("unknown_model, with the nearest names", () => {
    const resolution = resolve("bgi", maker);
    assert.equal(ids(resolution), "unknown_model");
    assert.match(message(resolution), /^there is no model "bgi"; did you mean (maker\/)?big/);
  });

  it("price_unknown, with the YAML to paste", () => {
    const resolution = resolve("maker/bgi", maker);
    assert.equal(ids(resolution), "price_unknown");
    assert.match(message(resolution), /did you mean maker\/big/);
    assert.match(message(resolution), /\nproviders:\n {2}maker:\n {4}models:\n {6}"bgi": \{ price: \{ input: /);
    assert.equal(ids(resolve("maker/free-form", maker)), "price_unknown");
  });

  it("unless the configuration prices it, calls it unmetered, or serves unpriced names", () => {
    const priced = (override: ReturnType<typeof own>) => [account("maker", "maker", { models: new Map([["new", override]]) })];
    const kind = (resolution: Resolution): string => (resolution.kind === "route" ? (resolution.route.candidates[0]?.deployment.pricing.kind ?? "") : resolution.code);
    assert.equal(kind(resolve("maker/new", priced(own(sheet(1, 2))))), "sheet");
    assert.equal(kind(resolve("maker/new", priced(own(null, true)))), "unmetered");
    assert.equal(kind(resolve("maker/new", maker, { unpriced: "serve" })), "unknown");
    assert.equal(kind(resolve("mine/anything:7b", [account("mine")])), "unmetered");
  });

  it("provider_not_configured, naming the variable to set", () => {
    for (const name of ["maker/deep", "deep", "maker/never-heard-of"]) {
      const resolution = resolve(name, [account("hosta")]);
      assert.equal(ids(resolution), "provider_not_configured", name);
      assert.match(message(resolution), /set MAKER_KEY/, name);
    }
  });

  it("provider_not_configured names who else can serve the model", () => {
    const models = catalogue([...MODELS, model("agg/m/deep-thought", "deep")]);
    assert.match(message(resolve("maker/deep", [account("agg")], { catalogue: models })), /agg can serve it as "deep"$/);
  });

  it("provider_not_supported_yet: an unspoken protocol, a dialect of its own, or neither chat nor embedding", () => {
    assert.equal(ids(resolve("strange/alone", maker)), "provider_not_supported_yet");
    assert.equal(ids(resolve("alone", maker)), "provider_not_supported_yet");
    assert.equal(ids(resolve("strange/whatever", maker)), "provider_not_supported_yet");
    assert.equal(ids(resolve("maker/odd", maker)), "provider_not_supported_yet");
    assert.equal(ids(resolve("maker/paint", maker)), "provider_not_supported_yet");
  });

  it("a candidate that leads nowhere is a problem with its place; the route keeps the others", () => {
    const built = buildDirectory(directoryInput(maker, { routes: [route("r", "nobody/x", "maker/big", "maker/nope")] }));
    assert.equal(ids(built.directory.resolve("r")), "maker/big");
    assert.deepEqual(built.problems.map(({ path, code, name }) => [path.join("."), code, name]), [
      ["routes.r.candidates.0", "unknown_model", "nobody/x"],
      ["routes.r.candidates.2", "price_unknown", "maker/nope"],
    ]);
  });

  it("candidates that are held back stand behind the route's own, and make no route by themselves", () => {
    const more = { onContextWindow: [{ use: "maker/deep", weight: 1 }, { use: "nobody/x", weight: 1 }], onContentPolicy: [{ use: "maker/big", weight: 1 }] };
    const built = buildDirectory(directoryInput(maker, { routes: [{ ...route("r", "maker/big"), ...more }, { ...route("none", "nobody/y"), ...more }] }));
    const found = built.directory.resolve("r");
    assert.deepEqual(found.kind === "route" && found.route.candidates.map(({ deployment, after }) => [deployment.id, after]), [["maker/big", undefined], ["maker/deep", "context"], ["maker/big", "content_policy"]]);
    assert.equal(ids(built.directory.resolve("none")), "unknown_model");
    assert.deepEqual(built.problems.map(({ path }) => path.join(".")), ["routes.r.on_context_window.1", "routes.none.candidates.0", "routes.none.on_context_window.1"]);
  });

  it("names of any length, with a message of bounded length", () => {
    assert.equal(ids(resolve("x".repeat(1_000_000), maker)), "unknown_model");
    assert.ok(message(resolve("y".repeat(500), maker)).length < 400);
  });
});

describe("deployments", () => {
  it("take the owner's facts before the catalogue's", () => {
    const models = new Map([["big", { price: sheet(9, 9), unmetered: false, contextWindow: 1_000, maxOutput: 100 }]]);
    const { deployments } = buildDirectory(directoryInput([account("maker", "maker", { models })]));
    const big = deployments.get("maker/big");
    assert.deepEqual([big?.contextWindow, big?.maxOutput, big?.pricing.kind === "sheet" ? big.pricing.sheet.version : ""], [1_000, 100, "9/9"]);
  });

  it("know whether the model reasons", () => {
    const { deployments } = buildDirectory(directoryInput([account("maker")]));
    assert.deepEqual([deployments.get("maker/deep")?.reasons, deployments.get("maker/big")?.reasons], [true, false]);
  });

  it("claim the provider's region only at the provider's own address", () => {
    const elsewhere = account("mirror", "euro", { baseUrl: "https://mirror.example/v1" });
    const { deployments } = buildDirectory(directoryInput([account("euro"), elsewhere]));
    assert.deepEqual([deployments.get("euro/open")?.region, deployments.get("mirror/open")?.region], ["eu", null]);
  });

  it("go by the owner's own names where there are any, with the facts of the model behind them", () => {
    const named = [account("hostb", "hostb", { deployments: new Map([["mine", "open-latest"], ["other", "solo"]]) })];
    const { deployments, directory } = buildDirectory(directoryInput(named));
    assert.deepEqual([...deployments.keys()], ["hostb/mine", "hostb/other"]);
    assert.deepEqual([deployments.get("hostb/mine")?.upstreamModel, deployments.get("hostb/mine")?.model?.id], ["mine", "hostb/open-70b"]);
    for (const name of ["hostb/mine", "hostb/open-70b", "hostb/open-latest", "open"]) assert.equal(ids(directory.resolve(name)), "hostb/mine", name);
    assert.match(message(directory.resolve("hostb/shared-name")), /^hostb has no deployment of shared-name; name it under deployments$/);
    assert.match(message(directory.resolve("hostb/minee")), /hostb has no deployment of minee; did you mean "?hostb\/mine"?\?/);
  });

  it("speak the model's own dialect where it is one that we speak", () => {
    const providers = new Map([...WORLD, ["other", { ...(WORLD.get("hosta") ?? assert.fail()), id: "other", dialect: "anthropic-messages" as const }]]);
    const models = catalogue([model("hosta/special", "special", { dialectOverride: "anthropic-messages" })]);
    const { deployments } = buildDirectory(directoryInput([account("hosta")], { providers, catalogue: models }));
    assert.equal(deployments.get("hosta/special")?.provider.dialect, "anthropic-messages");
  });
});

describe("the list of callable models", () => {
  it("holds routes, exact aliases and models that can be called, and nothing else", () => {
    const aliases = [{ pattern: "short", target: "r" }, { pattern: "x/*", target: "r" }];
    const { directory } = buildDirectory(directoryInput([account("maker"), account("again", "maker")], { routes: [route("r", "maker/big")], aliases }));
    const listed = directory.callable().map(({ id, ownedBy }) => `${id} of ${ownedBy}`);
    assert.deepEqual(listed, ["r of spillway", "short of spillway", "maker/big of maker", "maker/big-2024 of maker", "maker/deep of maker"]);
    for (const { id } of directory.callable()) assert.equal(directory.resolve(id).kind, "route", id);
  });
});

describe("memory", () => {
  it("gives the same resolution again, and is bounded against made-up names", () => {
    const { directory } = buildDirectory(directoryInput([account("maker"), account("mine")]));
    const first = directory.resolve("maker/big");
    assert.equal(directory.resolve("maker/big"), first);
    const miss = directory.resolve("zz-0");
    for (let index = 1; index <= 1_100; index += 1) directory.resolve(`zz-${index}`);
    assert.equal(directory.resolve("maker/big"), first, "made-up names have pushed out one in use");
    assert.notEqual(directory.resolve("zz-0"), miss, "misses are kept for ever");
  });
});

describe("what a provider gives or keeps", () => {
  const giving = { ...(WORLD.get("maker") as NonNullable<ReturnType<typeof WORLD.get>>), freeModels: ["guard"], keepsFiles: true };
  const perhaps = { ...(WORLD.get("compat") as typeof giving), keepsFiles: "perhaps" as const };
  const accounts = [account("mine", "compat", { provider: perhaps }), account("maker", "maker", { provider: giving }), account("hosta")];

  it("a model that is free by contract resolves by its name alone, at a price of nothing that is meant", () => {
    const found = resolve("guard", accounts);
    assert.equal(ids(found), "maker/guard");
    const pricing = found.kind === "route" ? found.route.candidates[0]?.deployment.pricing : undefined;
    assert.equal(pricing?.kind === "sheet" && pricing.sheet.free, true);
  });

  it("the owner's own price goes before the provider's gift", () => {
    const found = resolve("guard", [account("maker", "maker", { provider: giving, models: new Map([["guard", own(sheet(1, 1))]]) })]);
    const pricing = found.kind === "route" ? found.route.candidates[0]?.deployment.pricing : undefined;
    assert.equal(pricing?.kind === "sheet" && pricing.sheet.free, undefined);
  });

  it("files are kept by accounts that surely do before those that may, and are not metered", () => {
    const keepers = buildDirectory(directoryInput(accounts)).directory.keepers?.("files") ?? [];
    assert.deepEqual(keepers.map((one) => [one.account, one.pricing.kind, one.model]), [["maker", "unmetered", null], ["mine", "unmetered", null]]);
  });

  it("an account may serve what it is told to, what its provider lists, and what nobody lists; a model of others alone only where nothing is listed", () => {
    const { directory } = buildDirectory(directoryInput([account("maker"), account("mine", "mine", { models: new Map([["solo-canonical", own(null, true)]]) }), account("hostb")]));
    const serves = (name: string) => ["big", "open", "solo-canonical", "ft:big:mine"].map((model) => directory.mayServe?.(name, model));
    assert.deepEqual([serves("maker"), serves("hostb"), serves("mine")], [[true, false, false, true], [false, true, true, true], [true, true, true, true]]);
  });

  it("batches of messages are kept by accounts of providers that say so, whatever they do with files", () => {
    const batching = account("batching", "maker", { provider: { ...giving, keepsFiles: false, keepsMessageBatches: true } });
    const { directory } = buildDirectory(directoryInput([...accounts, batching]));
    assert.deepEqual(directory.keepers?.("message-batches").map((one) => [one.id, one.pricing.kind]), [["batching/message-batches", "unmetered"]]);
  });
});
