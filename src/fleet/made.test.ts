import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { startFleet, type BillRow, type Fleet } from "./index.ts";

type Loose = { readonly [key: string]: Loose } & { readonly length: number };
const HEADERS = { authorization: "Bearer k" };

describe("what the fleet makes that is no chat", () => {
  let fleet: Fleet;
  before(async () => {
    fleet = await startFleet({
      providers: [
        {
          name: "p",
          dialect: "openai-chat",
          models: {
            image: { units: { images: 0.04 } }, tokens: { input: 5, output: 40 }, speech: { units: { characters: 0.000015 } },
            hear: { units: { seconds: 0.0001 } }, rank: { input: 1, output: 0 }, "omni-moderation-latest": { units: { requests: 0 } },
          },
        },
        { name: "c", dialect: "cohere-v2", models: { rank: { units: { searches: 0.002 } }, vectors: { input: 1, output: 0 } } },
      ],
    });
  });
  after(() => fleet.close());

  const last = (): BillRow => fleet.bill().at(-1) as BillRow;
  async function post(provider: string, path: string, body: object | FormData): Promise<Response> {
    const isForm = body instanceof FormData;
    return fetch(fleet.provider(provider).origin + path, { method: "POST", headers: HEADERS, body: isForm ? body : JSON.stringify(body) });
  }
  const form = (bytes: Uint8Array<ArrayBuffer>, fields: Readonly<Record<string, string>>): FormData => {
    const made = new FormData();
    for (const [name, value] of Object.entries(fields)) made.set(name, value);
    made.set("file", new Blob([bytes]), "a.bin");
    return made;
  };

  it("bills images by the piece where they are priced so, else by tokens that it tells", async () => {
    const pieces = (await (await post("p", "/v1/images/generations", { model: "image", prompt: "cat", n: 3 })).json()) as Loose;
    assert.deepEqual([pieces["data"]?.length, pieces["usage"], last().units, last().cost_nano_usd], [3, undefined, { images: 3 }, 120_000_000]);
    const told = (await (await post("p", "/v1/images/generations", { model: "tokens", prompt: "cats" })).json()) as Loose;
    assert.deepEqual([told["usage"]?.["output_tokens"], last().units, last().output_tokens, last().cost_nano_usd], [272, undefined, 272, 5_000 + 272 * 40_000]);
  });

  it("speaks in bytes of every value, by the character", async () => {
    const answer = await post("p", "/v1/audio/speech", { model: "speech", voice: "v", input: "a".repeat(20) });
    const bytes = new Uint8Array(await answer.arrayBuffer());
    assert.deepEqual([answer.headers.get("content-type"), bytes.length, new Set(bytes).size > 200, last().units], ["audio/mpeg", 3_200, true, { characters: 20 }]);
  });

  it("hears files of a form, by the second, in every format", async () => {
    const file = Uint8Array.from({ length: 40_000 }, (_, i) => i & 255);
    const words: string[] = [];
    for (const format of ["json", "text", "srt", "vtt", "verbose_json"]) {
      words.push((await (await post("p", "/v1/audio/transcriptions", form(file, { model: "hear", response_format: format }))).text()).includes("heard 40000 bytes of a.bin") ? "heard" : format);
      assert.deepEqual([last().units, last().cost_nano_usd], [{ seconds: 3 }, 300_000]);
    }
    assert.deepEqual(words, ["heard", "heard", "heard", "heard", "heard"]);
  });

  it("ranks by the words of the query, and embeds in the types that are asked", async () => {
    const ranked = (await (await post("c", "/v1/rerank", { model: "rank", query: "black cat", documents: ["dog", "black cat", "cat"] })).json()) as Loose;
    assert.deepEqual((ranked["results"] as unknown as { index: number }[]).map((one) => one.index), [1, 2, 0]);
    assert.deepEqual([last().units, last().cost_nano_usd], [{ searches: 1 }, 2_000_000]);
    const embedded = (await (await post("c", "/v2/embed", { model: "vectors", texts: ["four", "more"], embedding_types: ["int8"], output_dimension: 4 })).json()) as Loose;
    assert.deepEqual([embedded["embeddings"]?.["int8"]?.length, last().input_tokens], [2, 2]);
  });

  it("keeps files and batches, and pages through them", async () => {
    const { origin } = fleet.provider("p");
    const ids: string[] = [];
    for (const name of ["a", "b"]) ids.push(String(((await (await post("p", "/v1/files", form(new TextEncoder().encode(name), { purpose: "batch" }))).json()) as { id: string }).id));
    const list = (await (await fetch(`${origin}/v1/files?limit=1&after=${ids[0]}`, { headers: HEADERS })).json()) as { data: { id: string }[]; has_more: boolean };
    assert.deepEqual([list.data.map((file) => file.id), list.has_more], [[ids[1]], false]);
    assert.equal(await (await fetch(`${origin}/v1/files/${ids[1]}/content`, { headers: HEADERS })).text(), "b");
    assert.equal((await post("p", "/v1/batches", { input_file_id: "file-none" })).status, 400);
    const batch = (await (await post("p", "/v1/batches", { input_file_id: ids[0], endpoint: "/v1/embeddings" })).json()) as { id: string };
    assert.equal(((await (await fetch(`${origin}/v1/batches/${batch.id}/cancel`, { method: "POST", headers: HEADERS })).json()) as { status: string }).status, "cancelling");
    assert.equal((await fetch(`${origin}/v1/files/${ids[0]}`, { method: "DELETE", headers: HEADERS })).status, 200);
    assert.equal((await fetch(`${origin}/v1/files/${ids[0]}`, { headers: HEADERS })).status, 404);
    assert.deepEqual([last().model, last().cost_nano_usd, last().outcome], ["files", 0, "refused"]);
  });

  it("plays its faults here too: half of the audio, then the line is cut; the whole is billed to who leaves", async () => {
    await fleet.script("p", [{ fault: { kind: "cut_fin", after: 0 }, times: 1 }, { fault: "stall_before_headers" }]);
    const cut = await post("p", "/v1/audio/speech", { model: "speech", voice: "v", input: "hello" });
    await assert.rejects(cut.arrayBuffer());
    assert.deepEqual([last().outcome, last().fault], ["cut", "cut_fin"]);
    const leave = new AbortController();
    const asked = fetch(`${fleet.provider("p").origin}/v1/images/generations`, { method: "POST", headers: HEADERS, body: JSON.stringify({ model: "image", prompt: "x", n: 2 }), signal: leave.signal });
    while (last().fault !== "stall_before_headers") await new Promise((resolve) => { setImmediate(resolve); });
    leave.abort();
    await assert.rejects(asked);
    while (last().outcome === "open") await new Promise((resolve) => { setImmediate(resolve); });
    assert.deepEqual([last().outcome, last().units], ["client_gone", { images: 2 }]);
    await fleet.script("p", []);
  });

  it("says what is missing, in the dialect's shape", async () => {
    assert.equal((await post("p", "/v1/audio/transcriptions", { model: "hear" })).status, 400);
    assert.equal(((await (await post("c", "/v2/rerank", { model: "rank", query: "x", documents: [] })).json()) as Loose)["message"], "invalid request: list of documents must not be empty");
    assert.equal((await post("p", "/v1/moderations", { input: "x", model: "nobody" })).status, 404);
  });
});
