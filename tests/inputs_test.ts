// Input transformations, token by token, and what truncation leaves, as in the released run on stories.

import { assertEquals, assertThrows } from "@std/assert";
import {
  answerSequences,
  bothOrders,
  frameOf,
  pairSequence,
  partLength,
  singleSequence,
} from "../src/tasks/inputs.ts";
import { configure } from "../src/models/gpt1.ts";
import { tinyConfig } from "./tiny_model.ts";

const [S, D, E] = [40478, 40479, 40480];
const paper = frameOf(configure("gpt1", 40478, { specials: 3 })), small = { ...paper, context: 12 }; // L = 4
const upTo = (n: number, from = 1) => Array.from({ length: n }, (_, i) => from + i);

Deno.test("the special tokens follow the vocabulary in the released order", () => {
  assertEquals(paper, { start: S, delimiter: D, extract: E, context: 512 });
  assertThrows(() => frameOf(tinyConfig()), RangeError, "not prepared for fine-tuning");
});

Deno.test("each form of input, token by token", () => {
  assertEquals(singleSequence(paper, [481, 4735]), [S, 481, 4735, E]);
  assertEquals(pairSequence(paper, [1, 2], [3]), [S, 1, 2, D, 3, E]);
  assertEquals(bothOrders(paper, [1, 2], [3]), [[S, 1, 2, D, 3, E], [S, 3, D, 1, 2, E]]);
  assertEquals(answerSequences(paper, [1, 2], [3], [[4], [5, 6], [7]]), [
    [S, 1, 2, 3, D, 4, E],
    [S, 1, 2, 3, D, 5, 6, E],
    [S, 1, 2, 3, D, 7, E],
  ]);
  assertEquals(answerSequences(paper, [1, 2], [], [[4], [5]]), [[S, 1, 2, D, 4, E], [S, 1, 2, D, 5, E]]);
  assertEquals(singleSequence(paper, []), [S, E]);
});

Deno.test("two texts keep n_ctx/2 - 2 tokens each: 254 of the paper's 512", () => {
  assertEquals([512, 12, 13, 6].map((context) => partLength({ ...paper, context })), [254, 4, 4, 1]);
  assertThrows(() => partLength({ ...paper, context: 5 }), RangeError, "a context of 5 tokens");
  const long = upTo(600);
  assertEquals(singleSequence(paper, long), [S, ...long.slice(0, 510), E]);
  assertEquals(pairSequence(paper, long, upTo(300, 700)), [
    S,
    ...long.slice(0, 254),
    D,
    ...upTo(254, 700),
    E,
  ]);
  // The half that a short text leaves is not given to the other one.
  assertEquals(pairSequence(small, upTo(9), [20]), [S, 1, 2, 3, 4, D, 20, E]);
  assertEquals(bothOrders(small, upTo(9), [20]).map(({ length }) => length), [8, 8]);
});

Deno.test("a document gives way to its question", () => {
  const sequence = (document: number[], question: number[]) =>
    answerSequences(small, document, question, [[30]])[0];
  assertEquals(sequence(upTo(9), [20, 21]), [S, 1, 2, 20, 21, D, 30, E]);
  assertEquals(sequence(upTo(9), []), [S, 1, 2, 3, 4, D, 30, E], "as for stories");
  assertEquals(sequence(upTo(9), upTo(6, 20)), [S, 20, 21, 22, 23, D, 30, E]);
  assertEquals(sequence([1], [20]), [S, 1, 20, D, 30, E]);
});
