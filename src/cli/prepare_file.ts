// Examples of a file as sequences for a model, with a note on what does not fit. What a sequence is made of is
// src/tasks/inputs.ts's business.

import type { Gpt1Config } from "../models/gpt1.ts";
import type { LabelledExample } from "../models/gpt1_feeds.ts";
import { type Example, prepare, type Task } from "../tasks/task.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { say, UsageError } from "./io.ts";

/** What a file is prepared for. */
export interface Preparation {
  readonly task: Task;
  readonly config: Gpt1Config;
  readonly tokenizer: Tokenizer;
  readonly labels: readonly string[];
}

/**
 * Prepares the examples of a file, and says on stderr how many of them the context cuts.
 *
 * @throws {UsageError} for a label that is not among `labels`.
 */
export function prepareFile(
  path: string,
  { task, config, tokenizer, labels }: Preparation,
  examples: readonly Example[],
): LabelledExample[] {
  let cut = 0;
  try {
    const prepared = prepare(task, config, tokenizer, examples, labels, () => void cut++);
    if (cut > 0) say(noteOf(path, task, config, cut, examples.length));
    return prepared;
  } catch (error) {
    if (error instanceof RangeError) throw new UsageError(error.message);
    throw error;
  }
}

function noteOf(
  path: string,
  { fields, head }: Task,
  { context }: Gpt1Config,
  cut: number,
  all: number,
): string {
  const single = fields.length === 1 && head !== "answers"; // two texts share the context
  const room = single ? context - 2 : Math.floor(context / 2) - 2; // special tokens take the rest
  return `note: ${cut} of ${all} texts of ${path} are longer than the context of ${context} tokens: only their first ` +
    `${room}${single ? "" : " tokens of each part"} count; a model with a longer context reads more`;
}
