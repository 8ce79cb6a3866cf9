// Byte-level BPE in plain TypeScript, as its definition reads: an expression splits the text, a map knows the merges,
// and the pair of lowest rank merges first. It is what the text engine is tested against, and what runs where
// WebAssembly may not be compiled. The scanner, the caches and the speed are in src/text/wasm/ and assembly/text/.

import { invalidAt, unknownId } from "../coding_errors.ts";
import { merge } from "../merge.ts";
import type { Coder } from "../wasm/coder.ts";
import { concatenate } from "../wasm/decode_ids.ts";
import { type IdArray, IdBuffer } from "../wasm/id_buffer.ts";
import { splitGpt2 } from "./split.ts";
import type { ByteVocabulary } from "./vocabulary.ts";

/** A coder without WebAssembly. */
export function referenceCoder({ pairs, ids, bytes }: ByteVocabulary): Coder {
  const encoder = new TextEncoder(), size = bytes.length, symbols = ids.length;
  const merged = new Map<number, number>(); // left * symbols + right -> what they become
  for (let i = 0; i < pairs.length; i += 2) merged.set(pairs[i] * symbols + pairs[i + 1], 256 + i / 2);

  function encodeText(text: string): IdArray {
    const found = new IdBuffer(size);
    for (const piece of splitGpt2(text)) {
      const left = merge([...encoder.encode(piece)], (l, r) => merged.get(l * symbols + r));
      found.append(left.map((symbol) => ids[symbol]));
    }
    return found.take();
  }

  function encodeBytes(utf8: Uint8Array): IdArray {
    const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(utf8), expected = encoder.encode(text);
    let offset = 0;
    while (offset < utf8.length && utf8[offset] === expected[offset]) offset++;
    if (offset === expected.length) return encodeText(text);
    while ((expected[offset] & 0xc0) === 0x80) offset--; // the replacement's own bytes may agree at first
    throw invalidAt(offset, utf8[offset]);
  }

  function decodeBytes(list: ArrayLike<number>): Uint8Array<ArrayBuffer> {
    return concatenate(Array.from(list, (id) => {
      if (bytes[id] === undefined) throw unknownId(id, size);
      return bytes[id];
    }));
  }

  return { encodeText, encodeBytes, decodeBytes };
}
