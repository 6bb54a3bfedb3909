/**
 * Where our translations differ from another gateway's, and why ours are as they are. Its snapshots are a second opinion,
 * not the standard; but whatever differs and is not explained here fails the test, and so does an explanation that explains
 * nothing any more.
 */
import type { Json } from "../../src/wire/json.ts";

export interface Explained {
  /** Snapshot, `*` for any part of its name. */
  readonly files: string;
  /** Places in the JSON, `*` for any part without a dot, `**` for any. */
  readonly paths: readonly string[];
  /** What may stand there in ours, where that is worth holding to; absent: anything. */
  readonly ours?: readonly Json[];
  readonly reason: string;
}

/** Snapshots that are no translation between two chat protocols, `*` for any part of the name. */
export const NOT_COMPARED: Readonly<Record<string, string>> = {
  "requests/*/*.get-messages-*.snap": "its own view of a conversation, for its guardrails: nothing that is sent",
  "requests/messages/*.vertex.snap": "one maker's models by another's cloud, whose envelope the gateway does not speak",
  "requests/count-tokens/*.snap": "counting of tokens, which is no chat",
  "requests/embeddings/*.snap": "embeddings, which are no chat",
  "requests/rerank/*.snap": "reranking, which is no chat",
  "requests/policies/*.snap": "prompts that its configuration puts around the client's",
  "response/anthropic/count_tokens.*.snap": "counting of tokens, which is no chat",
  "response/bedrock-*/*.snap": "embeddings, which are no chat",
  "response/openai/*.snap": "embeddings, which are no chat",
  "response/vertex/*.snap": "embeddings and reranking, which are no chat",
  "response/cohere/*.snap": "reranking, which is no chat",
  "response/bedrock/rerank.*.snap": "reranking, which is no chat",
  "response/detect/*.snap": "bytes of unknown protocols and of none, from which it reads no chat",
};

/** Snapshots of answers whose client speaks the provider's protocol: bytes pass, so only what is counted can be compared. */
export const BYTES_PASS = [
  "anthropic/*.messages-messages*.snap", "completions/*.completions-completions*.snap", "responses/*.responses-responses*.snap",
  "vertex-gemini/*.gemini-native.snap", "*/*-detect*.snap",
];

export interface Refused {
  /** Our name of what is refused. */
  readonly param: string;
  /** Where the client wrote it. */
  readonly place: string;
  readonly reason: string;
}

const NO_COUNTERPART = "the target has nothing like it, and leaving it out would change the answer; there it is left out without a word";
const BLANK_STOP = "the target takes no stop sequence of white space alone";
const JSON_MODE = "the target has no JSON mode without a schema; there a schema that allows anything is made up";
const SERVER_TOOL = "case 2: a tool that the maker itself runs has no counterpart elsewhere; there it is left out without a word";
const MARKDOWN = "a format that is a word where its protocol has an object: what is known and of another type is a mistake of the client's";
const full = (reason: string) => (param: string): Refused => ({ param, place: param, reason });

/** Snapshot of a request → what of its body we refuse, in the order in which it is found. */
export const REFUSED: Readonly<Record<string, readonly Refused[]>> = {
  "completions/full.anthropic.snap": [
    ...["n", "presence_penalty", "frequency_penalty", "logit_bias"].map(full(NO_COUNTERPART)), full(JSON_MODE)("response_format"), full(BLANK_STOP)("stop"),
  ],
  "completions/full.bedrock.snap": [
    ...["n", "presence_penalty", "frequency_penalty", "logit_bias"].map(full(NO_COUNTERPART)), full(BLANK_STOP)("stop"), full(JSON_MODE)("response_format"),
  ],
  "completions/generation-config.vertex-gemini.snap": [full("this model cannot combine tools with a JSON format: the provider refuses the request")("response_format")],
  "messages/reasoning.anthropic.snap": [full(MARKDOWN)("output_format")],
  "messages/reasoning.bedrock.snap": [full(MARKDOWN)("output_format")],
  "messages/reasoning.completions.snap": [full(MARKDOWN)("output_format")],
  "messages/server_tools.bedrock.snap": [{ param: "tools[0].type", place: "tools[0]", reason: SERVER_TOOL }],
  "messages/server_tools.completions.snap": [{ param: "tools[0].type", place: "tools[0]", reason: SERVER_TOOL }],
  "messages/structured-output.bedrock.snap": [
    { param: "response_format", place: "output_config.format", reason: "this model is not known to be held to a schema on that host; there every model is" },
  ],
  "responses/input-media.bedrock.snap": [
    {
      param: "messages[0].content[3].file", place: "input[0].content[3]",
      reason: "the target takes bytes only, and what stands as a file's address is not fetched, not even where it holds the bytes",
    },
  ],
};

const ABSENT_LIMIT = "case 33: where the client sets no limit it gets the model's own, or none where the target needs none; a fixed one would cut answers";
const EFFORTS = "one table of efforts for all targets: the target's own words where it has them, else budgets that grow with them";
const SAME_TEXT = "the shorter form of the same: one text is a string";
const NOT_ASKED = "false is what is meant without it";

/** Differences between requests. */
export const REQUESTS: readonly Explained[] = [
  {
    files: "completions/*.anthropic.snap", paths: ["system"],
    reason: "always a list of blocks, so that bounds and cache markers between them survive",
  },
  { files: "completions/*.anthropic.snap", paths: ["max_tokens"], ours: [64_000, 128_000], reason: ABSENT_LIMIT },
  { files: "completions/*.bedrock.snap", paths: ["inferenceConfig"], reason: ABSENT_LIMIT },
  {
    files: "completions/reasoning.bedrock.snap", paths: ["inferenceConfig.maxTokens"], ours: [64_000],
    reason: "thinking needs a limit above its budget: the model's own",
  },
  {
    files: "completions/reasoning.*.snap", paths: ["thinking.budget_tokens", "additionalModelRequestFields.thinking.budget_tokens"], ours: [4_096],
    reason: EFFORTS,
  },
  { files: "completions/reasoning.vertex-gemini.snap", paths: ["generationConfig.thinkingConfig.thinkingBudget"], ours: [8_192], reason: EFFORTS },
  {
    files: "completions/reasoning_max.vertex-gemini.snap", paths: ["generationConfig.thinkingConfig.thinkingBudget"], ours: [24_576, 32_768],
    reason: EFFORTS,
  },
  { files: "completions/reasoning_max.anthropic.snap", paths: ["thinking.type", "thinking.budget_tokens", "output_config"], reason: EFFORTS },
  {
    files: "completions/full.*.snap", paths: ["stop_sequences", "inferenceConfig.stopSequences", "output_config", "outputConfig"],
    reason: "refused, see there",
  },
  {
    files: "completions/full.*.snap", paths: ["tools[1]", "toolConfig.tools[1]"],
    reason: "the deprecated `functions` are carried as tools, which they are",
  },
  {
    files: "completions/full.bedrock.snap", paths: ["toolConfig.tool_choice", "toolConfig.toolChoice"],
    reason: "the field's name in that protocol is `toolChoice`",
  },
  { files: "completions/full.bedrock.snap", paths: ["requestMetadata"], reason: "the user is told where the protocol has a place for it" },
  { files: "completions/generation-config.vertex-gemini.snap", paths: ["generationConfig.responseMimeType"], reason: "refused, see there" },
  {
    files: "completions/*.vertex-gemini.snap", paths: ["tools[*].functionDeclarations[*].parameters", "tools[*].functionDeclarations[*].parametersJsonSchema"],
    reason: "case 18: the field that takes any JSON schema, rather than the restricted one",
  },
  {
    files: "completions/structured-output.vertex-gemini.snap", paths: ["generationConfig.responseSchema", "generationConfig.responseJsonSchema"],
    reason: "case 18: the field that takes any JSON schema, references included; there they are resolved for the restricted one",
  },
  {
    files: "completions/*.vertex-gemini.snap", paths: ["contents[*].parts[*].functionCall.id", "contents[*].parts[*].functionResponse.id"],
    reason: "case 15: calls and their results are matched by id where there is one",
  },
  {
    files: "completions/*.vertex-gemini.snap", paths: ["contents[*].parts[*].functionResponse.response.*"],
    reason: "a result that is a JSON object is the response itself; there its text is wrapped",
  },
  {
    files: "completions/reasoning_replay.bedrock.snap", paths: ["messages[1].content[*]", "messages[1].content[0].*"],
    reason: "case 24: signatures travel in `thinking_blocks`; its own field `reasoning_signature` is named in the warning",
  },
  {
    files: "*/*.bedrock.snap", paths: ["messages[*].content[*].toolResult.status"],
    reason: "a member of null says nothing, and the host refuses it",
  },
  {
    files: "*/*.bedrock.snap", paths: ["toolConfig.tools[0].toolSpec.name", "toolConfig.tools[0].toolSpec.description"],
    ours: ["no_tool_available", "Stands for tools used earlier. None can be called now."],
    reason: "case 9: a stand-in for tools that are gone, under our name",
  },
  { files: "messages/*.completions.snap", paths: ["messages[*].content"], reason: SAME_TEXT },
  { files: "responses/*.gemini.snap", paths: ["messages[*].content"], reason: SAME_TEXT },
  { files: "messages/basic.responses.snap", paths: ["input[0].content", "input[0].type"], reason: SAME_TEXT },
  { files: "messages/*.completions.snap", paths: ["stream"], reason: NOT_ASKED },
  { files: "messages/basic.responses.snap", paths: ["stream"], reason: NOT_ASKED },
  { files: "responses/*.gemini.snap", paths: ["stream"], reason: NOT_ASKED },
  {
    files: "messages/basic.responses.snap", paths: ["store"], ours: [false],
    reason: "case 35: nothing of a translated conversation is stored there",
  },
  {
    files: "messages/basic.responses.snap", paths: ["include"], ours: [["reasoning.encrypted_content"]],
    reason: "case 28: without storing, reasoning comes back only if it is asked for",
  },
  {
    files: "messages/cache_control.completions.snap", paths: ["messages[8].content[*].prompt_cache_breakpoint"],
    reason: "markers are named in the warning: the protocol caches prefixes by itself",
  },
  {
    files: "messages/cache_control.completions.snap", paths: ["messages[8]**", "messages[9]"],
    reason: "images in a tool's result, which that protocol cannot hold, follow in a user message of their own; there they are left out",
  },
  {
    files: "messages/gpt_adaptive_thinking_with_tools.completions.snap", paths: ["reasoning_effort"],
    reason: "adaptive thinking leaves the depth to the model, which is what it means without an effort; there it is switched off",
  },
  {
    files: "messages/metadata.bedrock.snap", paths: ["additionalModelRequestFields"],
    reason: "the model's own fields have no place for metadata; what does not fit `requestMetadata` is named in the warning",
  },
  {
    files: "messages/metadata.completions.snap", paths: ["user"], ours: ["__device_id___704cb53c2074e9___account_uuid_____438aa668310272cf"],
    reason: "a user id longer than the 64 characters that the provider takes is shortened, the same way each time",
  },
  { files: "messages/reasoning.anthropic.snap", paths: ["output_format"], reason: "refused, see there" },
  { files: "messages/structured-output.bedrock.snap", paths: ["outputConfig"], reason: "refused, see there" },
  {
    files: "messages/structured-output.bedrock.snap", paths: ["additionalModelRequestFields.output_config"],
    reason: "this model thinks by budgets, and the limit asked leaves no room for one: named in the warning",
  },
  {
    files: "messages/structured-output.completions.snap", paths: ["response_format.json_schema.name"], ours: ["answer"],
    reason: "a name that only the target needs",
  },
  {
    files: "messages/structured-output.completions.snap", paths: ["temperature", "top_p"],
    reason: "case 31: this model refuses them; named in the warning",
  },
  {
    files: "messages/structured-output.completions.snap", paths: ["reasoning_effort"], ours: ["high"],
    reason: "the effort is carried; there it is lost",
  },
  {
    files: "responses/*.gemini.snap", paths: ["messages[*].role"], ours: ["system"],
    reason: "case 7: a compatible host need not know the developer role",
  },
  {
    files: "responses/input-media.bedrock.snap", paths: ["messages[0].content[3]**", "messages[0].content[4]**", "messages[0].content[5]**", "messages[0].content[6]"],
    reason: "one file less, see what is refused: the others follow in its place",
  },
];

const IDS = "ours are the gateway's own: the ids and the time of what it authors";
const ALL_MEMBERS = "every member that the protocol's description requires is there, null or empty where there is nothing to tell";
const DETAILS = "the parts of the counts are told, zero where there are none";
const OWN_WORDS = "a tier of another protocol is told in this one's words, or not at all";
const MODEL_GIVEN = "no model stands in the answer: whoever was called is named, here by the test";
const WHOLE_PROMPT = "the prompt's count includes what was cached and written, as this protocol counts (4.6); there the provider's number is passed on";
const ORDER = "the role comes first, usage in a last chunk without choices, as the protocol has it when usage is asked for";

/** Members of a response that strict clients of that protocol hold us to. */
const RESPONSE_MEMBERS = [
  "completed_at", "error", "incomplete_details", "service_tier", "background", "instructions", "max_output_tokens", "max_tool_calls", "metadata", "parallel_tool_calls",
  "presence_penalty", "frequency_penalty", "previous_response_id", "prompt_cache_key", "reasoning", "safety_identifier", "store", "temperature", "text", "tool_choice",
  "tools", "top_logprobs", "top_p", "truncation",
];
const MESSAGE_MEMBERS = ["cache_creation_input_tokens", "cache_read_input_tokens", "cache_creation", "output_tokens_details", "server_tool_use", "inference_geo", "speed"];

/** Differences between answers, whole or put together from a stream. */
export const ANSWERS: readonly Explained[] = [
  { files: "*/*-completions.snap", paths: ["id", "created"], reason: IDS },
  { files: "*/*-messages.snap", paths: ["id"], reason: IDS },
  { files: "*/*-messages-streaming.snap", paths: ["message.id"], reason: IDS },
  { files: "*/*-responses.snap", paths: ["id", "created_at", "output[*].id"], reason: IDS },
  { files: "*/*-responses-streaming.snap", paths: ["response.id"], reason: IDS },
  { files: "*/*-completions*.snap", paths: ["model"], reason: MODEL_GIVEN },
  { files: "bedrock/*-messages.snap", paths: ["model"], reason: MODEL_GIVEN },
  { files: "bedrock/*-messages-streaming.snap", paths: ["message.model"], reason: MODEL_GIVEN },
  { files: "*/*-responses.snap", paths: ["model"], reason: MODEL_GIVEN },
  { files: "bedrock/*-responses-streaming.snap", paths: ["response.model"], reason: MODEL_GIVEN },

  {
    files: "*/*-completions.snap", paths: ["choices[0].message.refusal", "choices[0].logprobs", "choices[0].message.content"], ours: [null],
    reason: ALL_MEMBERS,
  },
  {
    files: "*/*-completions.snap", paths: ["choices[0].native_finish_reason"], ours: ["end_turn", "tool_use", "SAFETY", "STOP"],
    reason: "the provider's own word is kept beside (4.2)",
  },
  {
    files: "*/*-completions*.snap", paths: ["usage.prompt_tokens_details", "usage.completion_tokens_details", "usage.prompt_tokens_details.audio_tokens"],
    reason: DETAILS,
  },
  { files: "anthropic/*-completions*.snap", paths: ["usage.prompt_tokens", "usage.total_tokens"], reason: WHOLE_PROMPT },
  {
    files: "anthropic/*-completions*.snap", paths: ["usage.cache_read_input_tokens", "usage.cache_creation_input_tokens"],
    reason: "told in this protocol's own place, the details",
  },
  { files: "anthropic/*-completions.snap", paths: ["service_tier"], reason: OWN_WORDS },
  {
    files: "anthropic/*thinking.messages-completions*.snap", paths: ["choices[0].message.thinking_blocks", "thinking_blocks"],
    reason: "case 24: the signature has a place, so that the reasoning can be sent back",
  },
  { files: "*/*-completions-streaming.snap", paths: ["order[*]"], reason: ORDER },

  { files: "*/*-messages.snap", paths: [...MESSAGE_MEMBERS, "service_tier"].map((name) => `usage.${name}`), reason: `${ALL_MEMBERS}; ${OWN_WORDS}` },
  { files: "*/*-messages.snap", paths: ["stop_details", "container", "diagnostics"], ours: [null], reason: ALL_MEMBERS },
  {
    files: "*/*-messages-streaming.snap", paths: [...MESSAGE_MEMBERS, "service_tier"].map((name) => `message.usage.${name}`), ours: [null, 0, "standard"],
    reason: ALL_MEMBERS,
  },
  {
    files: "*/*-messages-streaming.snap", paths: ["message.stop_details", "message.container", "message.diagnostics", "delta.container"], ours: [null],
    reason: ALL_MEMBERS,
  },
  {
    files: "*/*-messages-streaming.snap", paths: ["delta.stop_details"], ours: [null, { type: "refusal", category: null, explanation: null }],
    reason: `${ALL_MEMBERS}; of a refusal it says that it is one`,
  },
  { files: "*/*-messages-streaming.snap", paths: MESSAGE_MEMBERS.slice(0, 5).map((name) => `usage.${name}`), reason: `${ALL_MEMBERS}; ${DETAILS}` },
  {
    files: "completions/truncated_tool_call.completions-messages.snap", paths: ["content[0].input"], ours: [{ INVALID_JSON: '{"location": "Par' }],
    reason: "an input is an object in this protocol: what was cut off is told as what it is inside one, never as a string",
  },
  {
    files: "responses/reasoning.responses-messages.snap", paths: ["content[*]", "content[0].*"],
    reason: "the reasoning that the provider shows is shown; there it is left out",
  },
  {
    files: "responses/reasoning.responses-messages.snap", paths: ["usage.output_tokens"], ours: [13],
    reason: "more reasoning than output was told, so it stands beside it, and all of it is output here",
  },

  { files: "*/*-responses.snap", paths: RESPONSE_MEMBERS, reason: ALL_MEMBERS },
  { files: "*/*-responses-streaming.snap", paths: RESPONSE_MEMBERS.map((name) => `response.${name}`), reason: ALL_MEMBERS },
  { files: "*/*-responses.snap", paths: ["output[*].content[*].logprobs"], ours: [[]], reason: "a list, as the description has it" },
  {
    files: "*/*-responses*.snap", paths: ["usage.input_tokens_details.cache_write_tokens", "response.usage.input_tokens_details.cache_write_tokens"], ours: [0],
    reason: DETAILS,
  },
  {
    files: "*/*-responses.snap", paths: ["incomplete_details.reason"], ours: ["max_output_tokens"],
    reason: "the protocol's own word; `max_tokens` is none of its two",
  },
  { files: "*/*-responses.snap", paths: ["output[0].status"], ours: ["incomplete"], reason: "the item that was cut off is not complete" },
  {
    files: "bedrock/reasoning_unsigned.bedrock-responses.snap", paths: ["output[0].*", "output[1]"],
    reason: "reasoning is an item of its own; there it is told as if it were the answer",
  },
  {
    files: "completions/gemini_with_completion_tokens.completions-responses.snap",
    paths: ["usage.output_tokens", "usage.output_tokens_details.reasoning_tokens"],
    reason: "thoughts that only the total tells are output: the parts add up to the total",
  },
  {
    files: "completions/gemini_with_completion_tokens.completions-messages.snap", paths: ["usage.output_tokens"], ours: [395],
    reason: "thoughts that only the total tells are output",
  },
  {
    files: "*/*-responses-streaming.snap", paths: ["order[*]"],
    reason: "case 39: every item and part is announced, and closed, and nothing empty is told",
  },
  { files: "*/*-responses-streaming.snap", paths: ["first"], ours: [0], reason: "sequence numbers begin with 0" },
  { files: "*/*-responses-streaming.snap", paths: ["response.output[0]"], reason: "case 39: the last event holds the whole output" },
  {
    files: "*/*-responses-streaming.snap", paths: ["response.spillway"],
    reason: "what the answer cost, told where tolerant clients do not stumble on it",
  },
];

/** Differences between what it records of an answer and what we count. */
export const RECORDS: readonly Explained[] = [
  {
    files: "*/*-messages.snap", paths: ["input_tokens"], ours: [320, 1_000, 30],
    reason: "it counts as its client's protocol does, without what was cached and written; we compare as the provider counts",
  },
  {
    files: "completions/gemini_with_completion_tokens.*.snap", paths: ["output_tokens", "reasoning_tokens"], ours: [395, 383],
    reason: "thoughts that only the total tells are output",
  },
  {
    files: "responses/reasoning.responses-messages.snap", paths: ["output_tokens"], ours: [13],
    reason: "more reasoning than output was told, so it stands beside it",
  },
];
