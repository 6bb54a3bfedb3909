/**
 * The two globals that pure code may use beyond the ECMAScript library. Pure folders compile with `types: []`,
 * so timers, fetch, process and node modules do not exist for them; bytes and text do.
 */
declare class TextEncoder {
  encode(text?: string): Uint8Array<ArrayBuffer>;
  encodeInto(source: string, destination: Uint8Array): { read: number; written: number };
}
declare class TextDecoder {
  constructor(label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean });
  decode(bytes?: Uint8Array, options?: { stream?: boolean }): string;
}
