/** What is no chat: a request in JSON or as a form, and what is made of it, counted in pieces or in tokens. */
import type { Body, Json } from "./ask.ts";

/** unit → count: `images`, `seconds`, `characters`, `searches`, `requests`. */
export type Pieces = Readonly<Record<string, number>>;

export interface FormFile {
  readonly name: string;
  readonly filename: string;
  readonly bytes: Buffer;
}
export interface MadeRequest {
  /** The JSON body, or the plain fields of a form. */
  readonly body: Body;
  readonly files: readonly FormFile[];
  /** Is this unit in the model's price? Then it is billed by the piece, else by tokens. */
  readonly prices: (unit: string) => boolean;
}

export interface Made {
  readonly type: string;
  readonly data: string | Buffer;
  readonly pieces: Pieces;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** The events of a stream, in place of `data`. */
  readonly events?: readonly object[];
}

export type MadeName =
  | "moderations" | "images/generations" | "images/edits" | "images/variations" | "audio/speech" | "audio/transcriptions"
  | "audio/translations" | "rerank" | "embed";

export function json(value: object): Pick<Made, "type" | "data"> {
  return { type: "application/json", data: JSON.stringify(value) };
}

/** A form's fields and files, read by the platform's own parser. Undefined where it is none. */
export async function readForm(bytes: Buffer, contentType: string): Promise<{ body: Body; files: FormFile[] } | undefined> {
  try {
    const form = await new Response(new Uint8Array(bytes), { headers: { "content-type": contentType } }).formData();
    const body: Record<string, Json> = {};
    const files: FormFile[] = [];
    for (const [name, value] of form) {
      if (typeof value === "string") body[name] = value;
      else files.push({ name, filename: value.name, bytes: Buffer.from(await value.arrayBuffer()) });
    }
    return { body, files };
  } catch (error) {
    // A broken form is the caller's fault; anything else is ours.
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

/** Length of a WAV file by its header; of anything else 16,000 bytes are a second. */
export function seconds(file: Buffer | undefined): number {
  if (file === undefined) return 1;
  const rate = file.length >= 44 && file.toString("latin1", 0, 4) === "RIFF" ? file.readUInt32LE(28) : 16_000;
  return Math.max(1, Math.ceil(file.length / rate));
}
