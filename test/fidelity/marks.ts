/** Values that occur nowhere else, so that finding one proves where it came from. */

/** Plain text of every kind of message. */
export const TEXT = {
  hello: "Zq who wrote the notes?",
  answer: "Zq Ada wrote them.",
  next: "Zq and when was that?",
  system: "Zq answer in verse.",
  later: "Zq now answer in prose.",
  result: "Zq drizzle, 11 degrees",
  second: "Zq sun, 23 degrees",
  failure: "Zq the station is closed",
  document: "Zq the notes are from 1843",
} as const;

/** Media, as base64 that is valid and short. */
export const MEDIA = {
  png: "iVBORw0KGgpacQAA",
  pngUrl: "https://pictures.example/zq-cat.png",
  pdf: "JVBERi0xLjRaUVFB",
  wav: "UklGRlpxAAAAV0FW",
  mp4: "AAAAGGZ0eXBacQAA",
  fileId: "file-zq7f3a",
} as const;

/** A name that every protocol allows. */
export const FILE_NAME = "zq-notes.pdf";

/** Tools, their calls, and what they are called with. */
export const TOOL = {
  name: "zq_weather",
  description: "Zq tells the weather of a city",
  schema: { type: "object", properties: { city: { type: "string" } }, required: ["city"], additionalProperties: false },
  second: "zq_clock",
  third: "zq_map",
  callId: "call_zq1",
  secondId: "call_zq2",
  input: { city: "Zq Oslo" },
  secondInput: { city: "Zq Rome" },
} as const;

/** Parameters. */
export const ASKED = {
  maxOutput: 1237,
  stop: "ZQ-END",
  temperature: 0.37,
  topP: 0.83,
  topK: 37,
  seed: 91_731,
  choices: 3,
  presence: 0.41,
  frequency: 0.43,
  biasToken: "50256",
  bias: -7,
  topLogprobs: 3,
  effort: "low",
  budget: 5321,
  user: "zq-user-77",
  label: "zq-team",
  labelValue: "zq-blue",
  cacheKey: "zq-cache-key",
  unknown: "zq_unknown_field",
} as const;

/** A schema for answers. */
export const ANSWER_SCHEMA = { type: "object", properties: { zq_year: { type: "integer" } }, required: ["zq_year"], additionalProperties: false } as const;

/** What answers hold. Signatures are base64, which some protocols demand. */
export const ANSWER = {
  text: "Zq the notes were written in 1843.",
  reasoning: "Zq let me recall who translated Menabrea.",
  refusal: "Zq I cannot help with that.",
  signature: "enFzaWduYXR1cmVvZnRoZW1ha2Vy",
  redacted: "enFyZWRhY3RlZGJsb2Nr",
} as const;

/** Tokens by class; no two sums of them are the same. */
export const USED = { input: 1009, cacheRead: 307, cacheWrite: 211, output: 101, reasoning: 53 } as const;
