// Byte-level BPE, GPT-2's tokenizer: a text is split into pieces (split.ts), each piece is its UTF-8 bytes, and bytes
// merge by rank. Every text has ids and comes back from them unchanged. Work is done by the text engine
// (src/text/wasm/), or by plain TypeScript (reference.ts) where WebAssembly is missing. Files are in files.ts.

import { sha256 } from "../digest.ts";
import { encoderAtBlanks } from "../encoder_at_blanks.ts";
import type { Decoder, Tokenizer } from "../tokenizer.ts";
import { classTable } from "../wasm/classes.ts";
import { type Coder, createCoder } from "../wasm/coder.ts";
import { asList } from "../wasm/decode_ids.ts";
import { createEngine } from "../wasm/engine.ts";
import { type IdArray, IdBuffer } from "../wasm/id_buffer.ts";
import { compileText } from "../wasm/module.ts";
import { referenceCoder } from "./reference.ts";
import { segments } from "./special.ts";
import { LETTERS, NUMBERS, SPACES, UNICODE_RELEASE } from "./unicode_classes.ts";
import { type ByteBpeParts, type ByteVocabulary, byteVocabulary } from "./vocabulary.ts";

/** How a text is encoded. */
export interface ByteEncodeOptions {
  /** Special tokens that count as such where the text spells them. None unless given: they are ordinary text. */
  readonly special?: "all" | readonly string[];
}

/** How bytes are encoded. */
export interface BytesEncodeOptions {
  /** What becomes of bytes that are not UTF-8: an error unless given, or U+FFFD as `TextDecoder` places it. */
  readonly invalid?: "error" | "replace";
}

/** What a byte-level tokenizer runs on. */
export interface ByteBpeOptions {
  /** Whether to use WebAssembly where there is some; `true` unless given. The ids are the same. */
  readonly wasm?: boolean;
}

/** A byte-level BPE tokenizer, with the parts it was made of. */
export interface ByteBpe extends Tokenizer {
  /** Tells it from the other kinds. */
  readonly kind: "byte-bpe";
  /** Left and right token of each merge, in rank order. */
  readonly merges: readonly (readonly [string, string])[];
  /** The id of each special token. */
  readonly special: ReadonlyMap<string, number>;
  /** The ids of a text. Lone surrogates count as U+FFFD. */
  encode(text: string, options?: ByteEncodeOptions): number[];
  /** The same ids in a typed array. It may be a view of a somewhat larger buffer. */
  encodeText(text: string, options?: ByteEncodeOptions): IdArray;
  /** The ids of UTF-8 text. Throws `SyntaxError` with the offset of the first byte that is not UTF-8. */
  encodeBytes(utf8: Uint8Array, options?: BytesEncodeOptions): IdArray;
  /** The text of some ids; U+FFFD where they are not whole characters. Throws `RangeError` on an unknown id. */
  decode(ids: Iterable<number>): string;
  /** The bytes of some ids. Throws `RangeError` on an unknown id. */
  decodeBytes(ids: Iterable<number>): Uint8Array<ArrayBuffer>;
}

/**
 * Makes a byte-level tokenizer. Rejects with `SyntaxError` if its parts contradict each other: a merge of tokens that
 * do not exist yet, a token that nothing makes, or one token in two places.
 *
 * @example
 * ```ts
 * import { createByteBpe } from "@foreword/foreword";
 * import { assertEquals } from "@std/assert";
 * const tokenizer = await createByteBpe({
 *   merges: [["l", "o"], ["lo", "w"], ["Ġ", "low"]],
 *   special: ["<|endoftext|>"],
 * });
 * const ids = tokenizer.encode("low low é<|endoftext|>", { special: "all" });
 * assertEquals(ids.map((id) => tokenizer.tokens[id]), ["low", "Ġlow", "Ġ", "Ã", "©", "<|endoftext|>"]);
 * assertEquals(tokenizer.decode(ids), "low low é<|endoftext|>");
 * ```
 */
export async function createByteBpe(
  parts: ByteBpeParts,
  { wasm = true }: ByteBpeOptions = {},
): Promise<ByteBpe> {
  const vocabulary = byteVocabulary(parts), { tokens, special } = vocabulary, { merges } = parts;
  const identity = ["byte-bpe", UNICODE_RELEASE, tokens, merges, [...special.keys()]];
  const fingerprint = await sha256(new TextEncoder().encode(JSON.stringify(identity)));
  const coder = await coderOf(vocabulary, wasm), size = tokens.length;

  function encodeText(text: string, { special: allowed = [] }: ByteEncodeOptions = {}): IdArray {
    if (allowed.length === 0) return coder.encodeText(text);
    const ids = new IdBuffer(size);
    for (const segment of segments(text, special, allowed)) {
      ids.append("id" in segment ? [segment.id] : coder.encodeText(segment.text));
    }
    return ids.take();
  }

  function encodeBytes(utf8: Uint8Array, { invalid = "error" }: BytesEncodeOptions = {}): IdArray {
    return invalid === "error" ? coder.encodeBytes(utf8) : coder.encodeText(lenient().decode(utf8));
  }

  const decodeBytes = (ids: Iterable<number>) => coder.decodeBytes(asList(ids));

  function decoder(): Decoder {
    const stream = lenient();
    return {
      push: (id) => stream.decode(coder.decodeBytes([id]), { stream: true }),
      end: () => stream.decode(),
    };
  }

  return {
    kind: "byte-bpe",
    size,
    fingerprint,
    unknown: null,
    tokens,
    merges,
    special,
    encode: (text, options) => Array.from(encodeText(text, options)),
    encodeText,
    encodeBytes,
    encoder: () => encoderAtBlanks((text) => encodeText(text)),
    decode: (ids) => lenient().decode(decodeBytes(ids)),
    decodeBytes,
    decoder,
  };
}

const lenient = (): TextDecoder => new TextDecoder("utf-8", { ignoreBOM: true });

async function coderOf(vocabulary: ByteVocabulary, wasm: boolean): Promise<Coder> {
  const module = wasm ? await compileText() : null;
  if (module === null) return referenceCoder(vocabulary);
  const { pairs, ids, bytes } = vocabulary, classes = classTable([LETTERS, NUMBERS, SPACES]);
  return createCoder(createEngine(module, { classes, merges: pairs, ids, tokens: bytes }));
}
