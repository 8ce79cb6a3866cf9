// What a pre-trained language model can do without having learnt any task: the paper's heuristics, which turn how probable
// it finds texts into answers. There are no special tokens and no head. A new rule is one more entry of `zeroShotRules`; a
// task or data set names its rule (task.ts, readers/dataset_files.ts). Batches and log-probabilities are spans.ts.

import type { Gpt1 } from "../models/gpt1_model.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { rememberingLast } from "./remembering.ts";
import { type MetricName, metrics } from "./score.ts";
import { type Span, spanOf, spanScores } from "./spans.ts";
import type { Example, TaskName } from "./task.ts";
import { thresholdOf } from "./threshold.ts";

/** The name of a rule. */
export type ZeroShotName = "acceptability" | "sentiment" | "choice" | "winograd";

/** Tokens to be scored, after tokens that are given. */
export interface Continuation {
  /** What the model reads first; one token or more. */
  readonly given: readonly number[];
  /** What its mean log-probability is wanted of. */
  readonly scored: readonly number[];
}

/** How answers are read off a language model. */
export interface ZeroShotRule {
  /** Its name, in flags. */
  readonly name: ZeroShotName;
  /** One sentence on what it compares. */
  readonly description: string;
  /** The task as which its examples are read. */
  readonly form: TaskName;
  /** What is reported. */
  readonly metric: MetricName;
  /** For a rule that tells two classes apart: how data call the one that counts as positive. */
  readonly positive?: readonly string[];
  /** Whether the score of the only continuation is held to a threshold, chosen on training examples. */
  readonly threshold?: true;
  /** What is compared: one for each answer, or the negative and the positive class. */
  continuations(example: Example, encode: (text: string) => readonly number[]): Continuation[];
}

// Pieces of a text are encoded apart, so a piece that begins with a word begins with its space: byte-level vocabularies tell
// the two apart, others do not look at it.
const spaced = (text: string): string => /^\s/.test(text) ? text : ` ${text}`;

/** The rules by name. */
export const zeroShotRules: Readonly<Record<ZeroShotName, ZeroShotRule>> = {
  acceptability: {
    name: "acceptability",
    description: "mean log-probability of a sentence's tokens but the first, held to a threshold",
    form: "classification",
    metric: "matthews",
    positive: ["1", "acceptable"],
    threshold: true,
    continuations({ texts }, encode) {
      const ids = encode(texts.text);
      return [{ given: ids.slice(0, 1), scored: ids.slice(1) }];
    },
  },
  sentiment: {
    name: "sentiment",
    description:
      'whether "positive" or "negative" is more probable after the text and "very"; a word of several tokens by their mean ' +
      "log-probability",
    form: "classification",
    metric: "accuracy",
    positive: ["1", "positive"],
    continuations({ texts }, encode) {
      const given = [...encode(texts.text), ...encode(" very")];
      return [" negative", " positive"].map((word) => ({ given, scored: encode(word) }));
    },
  },
  choice: {
    name: "choice",
    description: "mean log-probability of an answer's tokens after document and question; the highest",
    form: "choice",
    metric: "accuracy",
    continuations({ texts: { context, question = "" }, answers = [] }, encode) {
      const given = [...encode(context), ...(question === "" ? [] : encode(spaced(question)))];
      return answers.map((answer) => ({ given, scored: encode(spaced(answer)) }));
    },
  },
  winograd: {
    name: "winograd",
    description:
      "mean log-probability of what follows once an answer stands in place of _ or [a word in brackets]; the highest",
    form: "choice",
    metric: "accuracy",
    continuations({ texts: { context, question = "" }, answers = [] }, encode) {
      const [before, after] = aroundPronoun(question === "" ? context : `${context} ${question}`);
      return answers.map((answer) => ({ given: encode(`${before}${answer}`), scored: encode(after) }));
    },
  },
};

const PRONOUN = /\[[^\[\]]+\]|(?<![\p{L}\p{N}_])_+(?![\p{L}\p{N}_])/gu;

function aroundPronoun(text: string): [before: string, after: string] {
  const marks = [...text.matchAll(PRONOUN)], [mark] = marks;
  if (marks.length !== 1) {
    throw new RangeError(
      `${
        marks.length === 0 ? "no" : marks.length
      } pronouns are marked in "${text}"; mark the one to replace as _ or in ` +
        "brackets, [he]",
    );
  }
  const before = text.slice(0, mark.index), after = text.slice(mark.index + mark[0].length);
  if (after.trim() === "") {
    throw new RangeError(
      `nothing follows the pronoun in "${text}", and what follows is compared; leave the example out`,
    );
  }
  return [before, after];
}

/** The rule of a name that a flag gave. */
export function zeroShotRule(name: string): ZeroShotRule {
  if (Object.hasOwn(zeroShotRules, name)) return zeroShotRules[name as ZeroShotName];
  throw new RangeError(
    `There is no zero-shot rule "${name}"; the rules are ${Object.keys(zeroShotRules).join(", ")}`,
  );
}

/** An example made ready for a model. */
export interface ZeroShotExample {
  /** What is compared. */
  readonly spans: readonly Span[];
  /** The right answer by number; of two classes 1 for the positive one. */
  readonly label: number;
  /** Whether the context cuts it. */
  readonly cut: boolean;
}

/**
 * Makes examples ready: encodes them and cuts them to a context, as `spanOf` does.
 *
 * @param positive The label that counts as positive, for a rule that tells two classes apart; as `positiveLabel` unless given.
 * @throws {RangeError} naming the example, for one without a label or one that the rule cannot read.
 */
export function prepareZeroShot(
  rule: ZeroShotRule,
  tokenizer: Tokenizer,
  context: number,
  examples: readonly Example[],
  positive: string | null = positiveLabel(rule, examples),
): ZeroShotExample[] {
  const encode = rememberingLast(tokenizer);
  return examples.map((example, i) => {
    const where = example.where ?? `Example ${i + 1}`;
    if (example.label === null) {
      throw new RangeError(`${where}: there is no label to compare with; give labelled examples`);
    }
    let parts: Continuation[];
    try {
      parts = rule.continuations(example, encode);
      if (parts.some(({ given }) => given.length === 0)) {
        throw new RangeError("the text has no tokens; fill it in");
      }
    } catch (error) {
      if (error instanceof RangeError) throw new RangeError(`${where}: ${error.message}`, { cause: error });
      throw error;
    }
    return {
      spans: parts.map(({ given, scored }) => spanOf(given, scored, context)),
      label: positive === null ? Number(example.label) : Number(example.label === positive),
      cut: parts.some(({ given, scored }) => given.length + scored.length > context + 1),
    };
  });
}

/**
 * Which label of two counts as positive: the one that is given, else the one that the rule knows; `null` for a rule that does
 * not tell two classes apart, and for examples without labels.
 *
 * @throws {RangeError} if it is not among the labels of the examples, or these are more than two.
 */
export function positiveLabel(
  { name, positive }: ZeroShotRule,
  examples: readonly Example[],
  given?: string,
): string | null {
  const labels = [...new Set(examples.flatMap(({ label }) => label ?? []))].sort();
  if (!positive || labels.length === 0) return null;
  const known = given === undefined ? positive : [given],
    found = known.filter((label) => labels.includes(label));
  if (found.length === 1 && labels.length <= 2) return found[0];
  throw new RangeError(
    `Cannot use the rule ${name} on the labels ${labels.join(", ")}: it tells two apart, of which ${
      known.join(" or ")
    } is the positive one; name it, or leave other labels out`,
  );
}

/** A task posed to a language model. */
export interface ZeroShotProblem {
  /** How it is answered. */
  readonly rule: ZeroShotRule;
  /** What is scored. */
  readonly examples: readonly ZeroShotExample[];
  /** What a threshold is chosen on; for rules that need one. */
  readonly train?: readonly ZeroShotExample[];
}

/** What came of it. */
export interface ZeroShotScore {
  /** What `score` is. */
  readonly metric: MetricName;
  /** The rule's metric on the examples. */
  readonly score: number;
  /** What guessing at random gives: 0 for Matthews correlation, the mean of 1 / answers for accuracy. */
  readonly baseline: number;
  /** What always giving the most frequent label of these examples gives. */
  readonly majority: number;
  /** How many were scored. */
  readonly examples: number;
  /** Mean log-probability from which on a text is taken for the positive class, in nats; chosen on the training examples. */
  readonly threshold?: number;
  /** The answer to each example, by number. */
  readonly predictions: readonly number[];
}

/**
 * Answers a task by a pre-trained language model as it is. Of equally probable answers the first counts.
 *
 * @throws {RangeError} without examples, or without training examples for a rule with a threshold.
 * @throws {TypeError} for a model with a classifier.
 */
export async function zeroShot(
  model: Gpt1,
  { rule, examples, train = [] }: ZeroShotProblem,
  { signal }: {
    /** Stops between two batches by rejecting with its reason. */
    readonly signal?: AbortSignal | undefined;
  } = {},
): Promise<ZeroShotScore> {
  if (model.classifier !== null) {
    throw new TypeError(
      "The model is a classifier: zero-shot scores are those of a language model before fine-tuning",
    );
  }
  const held = rule.threshold ?? false;
  if (held && train.length === 0) {
    throw new RangeError(`Cannot choose a threshold for ${rule.name} without training examples: give some`);
  }
  const threshold = held
    ? thresholdOf((await scoresOf(model, train, signal)).map(([score]) => score), truth(train))
    : null;
  const predictions = (await scoresOf(model, examples, signal)).map((scores) =>
    threshold === null ? scores.indexOf(Math.max(...scores)) : Number(scores[0] >= threshold)
  );
  const labels = truth(examples), choices = examples.map(({ spans }) => Math.max(2, spans.length));
  const classes = Math.max(...choices),
    measure = (guess: readonly number[]) => metrics[rule.metric](labels, guess, classes);
  const most = mostFrequent(labels);
  return {
    metric: rule.metric,
    score: measure(predictions),
    baseline: rule.metric === "matthews" ? 0 : chanceOf(choices),
    majority: measure(labels.map(() => most)),
    examples: examples.length,
    ...(threshold === null ? {} : { threshold }),
    predictions,
  };
}

const truth = (examples: readonly ZeroShotExample[]): number[] => examples.map(({ label }) => label);

// The scores of each example's spans.
async function scoresOf(
  model: Gpt1,
  examples: readonly ZeroShotExample[],
  signal: AbortSignal | undefined,
): Promise<number[][]> {
  const all = await spanScores(model, examples.flatMap(({ spans }) => spans), { signal });
  let at = 0;
  return examples.map(({ spans }) => Array.from(all.subarray(at, at += spans.length)));
}

function mostFrequent(labels: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  const [[most]] = [...counts].sort(([a, n], [b, m]) => m - n || a - b);
  return most;
}

// How often a random guess among so many choices is right: an exact share where all examples have as many.
const chanceOf = ([first, ...others]: readonly number[]): number =>
  others.every((n) => n === first)
    ? 1 / first
    : others.reduce((sum, n) => sum + 1 / n, 1 / first) / (others.length + 1);
