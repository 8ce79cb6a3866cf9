// Cuts a word into the pieces of a vocabulary, always the longest that fits. The vocabulary is a tree whose edges are UTF-16
// units, so that a piece is found in one walk along the word; all edges are in one hash table of typed arrays.

import { CONTINUATION } from "./vocabulary.ts";

/**
 * Cuts a word and adds the id of each piece to `ids`, and where it ends within the word, in UTF-16 units, to `ends`: only
 * the unknown token if no pieces make up the word, or if it is too long.
 */
export type Cut = (word: string, ids: number[], ends: number[]) => void;

// The nodes where words begin and where they continue.
const INITIAL = 0, INNER = 1;

/** Makes the function for a vocabulary. Words of more code points than `maxWordLength` are unknown. */
export function pieceCutter(tokens: readonly string[], unknown: number, maxWordLength: number): Cut {
  const { follow, ids: idAt } = pieceTree(tokens);
  const isTooLong = (word: string): boolean =>
    word.length > maxWordLength && (word.length > 2 * maxWordLength || [...word].length > maxWordLength);

  return (word, ids, ends) => {
    const idsBefore = ids.length, endsBefore = ends.length;
    let start = isTooLong(word) ? -1 : 0;
    while (start >= 0 && start < word.length) {
      let id = -1, end = -1;
      for (let at = start, node = start === 0 ? INITIAL : INNER; at < word.length;) {
        node = follow(node, word.charCodeAt(at++));
        if (node < 0) break;
        if (idAt[node] >= 0) [id, end] = [idAt[node], at];
      }
      start = end;
      if (end < 0) break;
      ids.push(id);
      ends.push(end);
    }
    if (start >= 0) return;
    ids.length = idsBefore;
    ends.length = endsBefore;
    ids.push(unknown);
    ends.push(word.length);
  };
}

interface PieceTree {
  /** The node behind another one, -1 if there is none. */
  follow(node: number, unit: number): number;
  /** For each node the id of the piece that ends there, or -1. */
  readonly ids: Int32Array;
}

function pieceTree(tokens: readonly string[]): PieceTree {
  const edges = new Map<number, number>(), found: number[] = []; // node * 2^16 + unit -> node; id, node, id, node …
  let count = 2;
  const add = (text: string, node: number, id: number): void => {
    for (let at = 0; at < text.length; at++) {
      const edge = node * 2 ** 16 + text.charCodeAt(at);
      node = edges.get(edge) ?? count++;
      edges.set(edge, node);
    }
    if (text !== "") found.push(id, node);
  };
  tokens.forEach((token, id) => {
    add(token, INITIAL, id);
    if (token.startsWith(CONTINUATION)) add(token.slice(CONTINUATION.length), INNER, id);
  });
  const ids = new Int32Array(count).fill(-1);
  for (let i = 0; i < found.length; i += 2) ids[found[i + 1]] = found[i];

  const bits = Math.ceil(Math.log2(2 * edges.size + 1)), mask = 2 ** bits - 1;
  const from = new Int32Array(2 ** bits).fill(-1),
    by = new Uint16Array(2 ** bits),
    to = new Int32Array(2 ** bits);
  const slotOf = (node: number, unit: number): number =>
    (Math.imul(node, 0x9e3779b1) ^ Math.imul(unit, 0x85ebca6b)) >>> (32 - bits);
  for (const [edge, child] of edges) {
    const unit = edge % 2 ** 16, node = (edge - unit) / 2 ** 16;
    let slot = slotOf(node, unit);
    while (from[slot] >= 0) slot = (slot + 1) & mask;
    [from[slot], by[slot], to[slot]] = [node, unit, child];
  }
  return {
    ids,
    follow(node, unit) {
      for (let slot = slotOf(node, unit);; slot = (slot + 1) & mask) {
        if (from[slot] === node && by[slot] === unit) return to[slot];
        if (from[slot] < 0) return -1;
      }
    },
  };
}
