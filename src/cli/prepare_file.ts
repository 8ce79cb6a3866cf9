// Labelled texts of a file as sequences for a model, with errors and notes that name the file. What a sequence is made of
// is src/tasks/classification.ts's business.

import type { Gpt1Config } from "../models/gpt1.ts";
import type { LabelledSequence } from "../models/gpt1_feeds.ts";
import { type LabelledText, prepare } from "../tasks/classification.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { say, UsageError } from "./io.ts";

/**
 * Prepares the examples of a file, and says on stderr how many of them the context cuts.
 *
 * @throws {UsageError} for a label that is not among `labels`.
 */
export function prepareFile(
  path: string,
  config: Gpt1Config,
  tokenizer: Tokenizer,
  examples: readonly LabelledText[],
  labels: readonly string[],
): LabelledSequence[] {
  let sequences: LabelledSequence[];
  try {
    sequences = prepare(config, tokenizer, examples, labels);
  } catch (error) {
    if (error instanceof RangeError) {
      throw new UsageError(`${path}: ${error.message}. Correct the label or remove the example`);
    }
    throw error;
  }
  const room = config.context - 2; // start and extract take two
  const cut = sequences.filter(({ ids }, i) =>
    ids.length === config.context && tokenizer.encode(examples[i].text).length > room
  );
  if (cut.length > 0) {
    say(
      `note: ${cut.length} of ${examples.length} texts of ${path} are longer than the context of ${config.context} ` +
        `tokens: only their first ${room} count; a model with a longer context reads more`,
    );
  }
  return sequences;
}
