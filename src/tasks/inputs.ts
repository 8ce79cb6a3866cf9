// Input transformations of GPT-1: pure functions from the tokens of a structured example to the sequences a language model
// reads, each between a start and an extract token. What is wanted of them (head, loss, metrics) is in task.ts.
//
// Truncation. A single text keeps its first n_ctx - 2 tokens. Of two texts each keeps its first L = n_ctx/2 - 2, as in the
// released run on stories, whether or not the other one needs its half. Where a question follows a document, the document
// gives way, because a cut question cannot be answered.

import { type Gpt1Config, SPECIALS, specialToken } from "../models/gpt1.ts";

/** The special tokens around texts, and how long a sequence may be. */
export interface Frame {
  /** Id of the token that opens a sequence. */
  readonly start: number;
  /** Id of the token between two texts. */
  readonly delimiter: number;
  /** Id of the token whose hidden state the classifier reads. */
  readonly extract: number;
  /** Most tokens of a sequence, n_ctx; `Infinity` cuts nothing. */
  readonly context: number;
}

/** Token ids of a text. */
export type TextTokens = readonly number[];

/**
 * The frame of a model.
 *
 * @throws {RangeError} if the model has no special tokens.
 */
export function frameOf(config: Gpt1Config): Frame {
  const [start, delimiter, extract] = SPECIALS.map((name) => specialToken(config, name));
  return { start, delimiter, extract, context: config.context };
}

/**
 * How many tokens each of two texts may have: L = n_ctx/2 - 2.
 *
 * @throws {RangeError} for a context in which two texts have no room.
 */
export function partLength({ context }: Frame): number {
  const length = Math.floor(context / 2) - 2;
  if (length < 1) {
    throw new RangeError(
      `Cannot put two texts into a context of ${context} tokens: use a model with 6 or more`,
    );
  }
  return length;
}

/** start · text · extract. */
export function singleSequence({ start, extract, context }: Frame, text: TextTokens): number[] {
  return [start, ...text.slice(0, context - 2), extract];
}

/** start · first · delimiter · second · extract: a premise and a hypothesis, a context and an answer. */
export function pairSequence(frame: Frame, first: TextTokens, second: TextTokens): number[] {
  const { start, delimiter, extract } = frame, length = partLength(frame);
  return [start, ...first.slice(0, length), delimiter, ...second.slice(0, length), extract];
}

/** Both orders of two texts, whose final hidden states are added: neither comes first. */
export function bothOrders(frame: Frame, first: TextTokens, second: TextTokens): number[][] {
  return [pairSequence(frame, first, second), pairSequence(frame, second, first)];
}

/**
 * A sequence for each answer: start · document · question · delimiter · answer · extract, without anything between document
 * and question.
 *
 * @example
 * ```ts
 * import { answerSequences } from "@foreword/foreword";
 * import { assertEquals } from "@std/assert";
 * const frame = { start: 100, delimiter: 101, extract: 102, context: 12 };
 * assertEquals(answerSequences(frame, [1, 2], [3], [[4], [5, 6]]), [
 *   [100, 1, 2, 3, 101, 4, 102],
 *   [100, 1, 2, 3, 101, 5, 6, 102],
 * ]);
 * ```
 */
export function answerSequences(
  frame: Frame,
  document: TextTokens,
  question: TextTokens,
  answers: readonly TextTokens[],
): number[][] {
  const room = Math.max(0, partLength(frame) - question.length);
  const context = [...document.slice(0, room), ...question];
  return answers.map((answer) => pairSequence(frame, context, answer));
}
