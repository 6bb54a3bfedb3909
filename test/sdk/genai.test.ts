/** `@google/genai`, unmodified, on every upstream. */
import assert from "node:assert/strict";
import { ApiError, GoogleGenAI, Type, type CallableTool, type Content, type FunctionDeclaration, type GenerateContentResponse, type Part } from "@google/genai";
import { z } from "zod";
import { checkPerson, checkPicture, checkSignatureBack, checkThoughts, Person } from "./checks.ts";
import { matrix, type Cell, type Seen } from "./matrix.ts";
import { CITY_SCHEMA, JSON_QUESTION, model, PNG, QUESTION, SYSTEM, Toolbox, TOOLS, WORDS, type ToolName } from "./world.ts";

const client = ({ world }: Cell): GoogleGenAI => new GoogleGenAI({ apiKey: world.apiKey, httpOptions: { baseUrl: world.gateway.url } });
const BOTH: readonly ToolName[] = ["get_weather", "get_time"];
const DECLARED: FunctionDeclaration[] = BOTH.map((name) => ({ name, description: TOOLS[name].description, parametersJsonSchema: CITY_SCHEMA }));

function usageOf(...told: readonly GenerateContentResponse[]): Seen["usage"] {
  const sum = (of: (usage: NonNullable<GenerateContentResponse["usageMetadata"]>) => number): number =>
    told.reduce((total, { usageMetadata }) => total + (usageMetadata === undefined ? NaN : of(usageMetadata)), 0);
  return { input: sum((usage) => usage.promptTokenCount ?? NaN), output: sum((usage) => (usage.candidatesTokenCount ?? 0) + (usage.thoughtsTokenCount ?? 0)) };
}

/** Runs what was called. */
function resultsOf(called: GenerateContentResponse, box: Toolbox): Part[] {
  return (called.functionCalls ?? []).map(({ id, name, args }) => ({
    functionResponse: { ...(id === undefined ? {} : { id }), name: name ?? "", response: { output: box.run(name as ToolName, args as { city: string }) } },
  }));
}

/** Tools that the package calls by itself. */
const callable = (box: Toolbox): CallableTool => ({
  tool: () => Promise.resolve({ functionDeclarations: DECLARED }),
  callTool: (calls) => Promise.resolve(resultsOf({ functionCalls: calls } as GenerateContentResponse, box)),
});

/** Asked for the text of a chunk with a call in it, the package complains at the console. */
const textOf = (chunk: GenerateContentResponse): string => (chunk.candidates?.[0]?.content?.parts?.some((part) => part.text === undefined) === true ? "" : (chunk.text ?? ""));

async function gather(stream: Promise<AsyncGenerator<GenerateContentResponse>>): Promise<{ readonly chunks: GenerateContentResponse[]; readonly pieces: string[]; readonly last: GenerateContentResponse }> {
  const chunks: GenerateContentResponse[] = [];
  for await (const chunk of await stream) chunks.push(chunk);
  const pieces = chunks.map(textOf).filter((text) => text !== "");
  return { chunks, pieces, last: chunks.at(-1) ?? assert.fail("an empty stream") };
}

matrix("Google GenAI SDK", {
  async "generates"(cell) {
    const answer = await client(cell).models.generateContent({ model: model(cell.dialect), contents: QUESTION, config: { systemInstruction: SYSTEM } });
    cell.world.checkText(answer.text);
    assert.equal(answer.candidates?.[0]?.finishReason, "STOP");
    assert.ok(cell.calls()[0]?.body.includes(SYSTEM), "the system instruction did not arrive");
    return { usage: usageOf(answer) };
  },

  async "streams, with usage"(cell) {
    const { pieces, last } = await gather(client(cell).models.generateContentStream({ model: model(cell.dialect), contents: QUESTION, config: { systemInstruction: SYSTEM } }));
    cell.world.checkText(pieces.join(""));
    assert.ok(pieces.length >= 10, `in ${pieces.length} pieces only`);
    assert.equal(last.candidates?.[0]?.finishReason, "STOP");
    return { usage: usageOf(last) };
  },

  async "runs two tools at once in a chat"(cell) {
    const box = new Toolbox();
    const chat = client(cell).chats.create({ model: model(cell.dialect), config: { systemInstruction: SYSTEM, tools: [{ functionDeclarations: DECLARED }] } });
    const { chunks, last: called } = await gather(chat.sendMessageStream({ message: QUESTION }));
    assert.equal(called.candidates?.[0]?.finishReason, "STOP");
    const calls = chunks.flatMap((chunk) => chunk.functionCalls ?? []);
    const answer = await chat.sendMessage({ message: resultsOf({ functionCalls: calls } as GenerateContentResponse, box) });
    box.check(BOTH, answer.text, cell.calls());
    return { calls: 2, usage: usageOf(called, answer) };
  },

  async "calls tools by itself"(cell) {
    const box = new Toolbox();
    const answer = await client(cell).models.generateContent({ model: model(cell.dialect), contents: QUESTION, config: { systemInstruction: SYSTEM, tools: [callable(box)] } });
    box.check(BOTH, answer.text, cell.calls());
    return { calls: 2 };
  },

  async "calls tools by itself over streams"(cell) {
    const box = new Toolbox();
    const { pieces } = await gather(client(cell).models.generateContentStream({ model: model(cell.dialect), contents: QUESTION, config: { systemInstruction: SYSTEM, tools: [callable(box)] } }));
    box.check(BOTH, pieces.join(""), cell.calls());
    return { calls: 2 };
  },

  async "gets structured output by JSON schema"(cell) {
    const config = { responseMimeType: "application/json", responseJsonSchema: z.toJSONSchema(Person) };
    const answer = await client(cell).models.generateContent({ model: model(cell.dialect), contents: JSON_QUESTION, config });
    checkPerson(cell, Person.parse(JSON.parse(answer.text ?? "")));
    return { usage: usageOf(answer) };
  },

  async "gets structured output by its own kind of schema"(cell) {
    const responseSchema = { type: Type.OBJECT, properties: { name: { type: Type.STRING }, age: { type: Type.INTEGER } }, required: ["name", "age"] };
    const answer = await client(cell).models.generateContent({ model: model(cell.dialect), contents: JSON_QUESTION, config: { responseMimeType: "application/json", responseSchema } });
    checkPerson(cell, Person.parse(JSON.parse(answer.text ?? "")));
    return { usage: usageOf(answer) };
  },

  async "reads what a model thought, and brings its signatures back"(cell) {
    const box = new Toolbox();
    const asked = { model: model(cell.dialect, "thinker"), config: { thinkingConfig: { includeThoughts: true }, tools: [{ functionDeclarations: DECLARED }] } };
    const question: Content = { role: "user", parts: [{ text: QUESTION }] };
    const called = await client(cell).models.generateContent({ ...asked, contents: [question] });
    const said = called.candidates?.[0]?.content ?? assert.fail("no content");
    const thoughts = (said.parts ?? []).map((part) => (part.thought === true ? (part.text ?? "") : "")).join("");
    checkThoughts(thoughts, cell.dialect === "gemini" ? 12 : 6);
    const answer = await client(cell).models.generateContent({ ...asked, contents: [question, said, { role: "user", parts: resultsOf(called, box) }] });
    box.check(BOTH, answer.text, cell.calls());
    checkSignatureBack(cell, thoughts);
    return { calls: 2, usage: usageOf(called, answer) };
  },

  async "sends a picture"(cell) {
    const contents = [{ role: "user", parts: [{ text: QUESTION }, { inlineData: { mimeType: "image/png", data: PNG } }] }];
    const answer = await client(cell).models.generateContent({ model: model(cell.dialect), contents });
    cell.world.checkText(answer.text);
    if (cell.world.kind === "fleet") checkPicture(cell);
    return { usage: usageOf(answer) };
  },

  async "lists and retrieves models"(cell) {
    const names: (string | undefined)[] = [];
    for await (const one of await client(cell).models.list()) names.push(one.name);
    assert.ok(names.includes(`models/${model(cell.dialect)}`), names.join());
    assert.equal((await client(cell).models.get({ model: model(cell.dialect) })).name, `models/${model(cell.dialect)}`);
    await assert.rejects(client(cell).models.get({ model: "no-such-model" }), { name: "ApiError", status: 404 });
    return { calls: 0 };
  },

  async "raises ApiError in the provider's words"(cell) {
    const asked = { model: model(cell.dialect, "faulty"), contents: QUESTION };
    for (const call of [() => client(cell).models.generateContent(asked), () => client(cell).models.generateContentStream(asked)]) {
      await assert.rejects(call(), (error) => {
        assert.ok(error instanceof ApiError, String(error));
        const told = JSON.parse(error.message) as { error: { code: number; status: string; message: string } };
        assert.deepEqual([error.status, told.error.code, told.error.status, told.error.message], [400, 400, "INVALID_ARGUMENT", WORDS]);
        return true;
      });
    }
    return { calls: 2 };
  },

  async "leaves a stream by its AbortSignal"(cell) {
    const leave = new AbortController();
    let pieces = 0;
    await assert.rejects(async () => {
      for await (const chunk of await client(cell).models.generateContentStream({ model: model(cell.dialect, "slow"), contents: QUESTION, config: { abortSignal: leave.signal } })) {
        if ((chunk.text ?? "") !== "") pieces += 1;
        if (pieces === 3) leave.abort();
      }
    }, /abort/i);
    await cell.noticed("client_gone");
    return {};
  },
});
