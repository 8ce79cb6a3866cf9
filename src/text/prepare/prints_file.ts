// The prints of a unit's documents as a file, from the workers that take them to the round that compares them: for each
// document a byte that says what follows, then the digest, then the signature.

import type { Storage } from "../../core/storage.ts";
import type { Print } from "./filters.ts";

const DENIED = 0, DIGEST = 1, SIGNATURE = 2;
const DIGEST_BYTES = 16, SIGNATURE_BYTES = 512, PIECE = 2 ** 20;

/** Writes prints; null stands for a document that is left out whatever others are. */
export async function writePrints(
  storage: Storage,
  path: string,
  prints: AsyncIterable<Print | null>,
): Promise<void> {
  async function* records(): AsyncGenerator<Uint8Array> {
    let piece = new Uint8Array(PIECE), used = 0;
    for await (const print of prints) {
      if (used + 1 + DIGEST_BYTES + SIGNATURE_BYTES > PIECE) {
        yield piece.subarray(0, used);
        piece = new Uint8Array(PIECE);
        used = 0;
      }
      piece[used++] = print === null ? DENIED : print.signature === null ? DIGEST : SIGNATURE;
      if (print === null) continue;
      piece.set(print.digest, used);
      used += DIGEST_BYTES;
      if (print.signature === null) continue;
      const view = new DataView(piece.buffer, used);
      print.signature.forEach((value, i) => view.setUint32(4 * i, value, true));
      used += SIGNATURE_BYTES;
    }
    yield piece.subarray(0, used);
  }
  await storage.write(path, records());
}

/** Reads what {@link writePrints} wrote. */
export async function* readPrints(storage: Storage, path: string): AsyncGenerator<Print | null> {
  const { bytes } = (await storage.stat(path))!;
  let rest = new Uint8Array(0);
  for (let start = 0; start < bytes; start += PIECE) {
    const piece = await storage.readRange(path, start, Math.min(bytes, start + PIECE));
    const data = new Uint8Array(rest.length + piece.length);
    data.set(rest);
    data.set(piece, rest.length);
    let at = 0;
    while (at < data.length) {
      const kind = data[at],
        end = at + 1 + (kind === DENIED ? 0 : DIGEST_BYTES) +
          (kind === SIGNATURE ? SIGNATURE_BYTES : 0);
      if (end > data.length) break;
      yield kind === DENIED ? null : printOf(data, at + 1, kind === SIGNATURE);
      at = end;
    }
    rest = data.slice(at);
  }
}

function printOf(data: Uint8Array, at: number, signed: boolean): Print {
  const view = new DataView(data.buffer, data.byteOffset + at + DIGEST_BYTES);
  return {
    digest: data.slice(at, at + DIGEST_BYTES),
    signature: signed
      ? Uint32Array.from({ length: SIGNATURE_BYTES / 4 }, (_, i) => view.getUint32(4 * i, true))
      : null,
  };
}
