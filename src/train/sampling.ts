// Choosing the next token from logits: temperature, then the k most probable, then the smallest set whose probability
// reaches p. One number in [0, 1) decides, so a seed fixes the text. src/ops/sampling.ts does the same
// where the logits are.

/** How to choose among tokens. */
export interface Sampling {
  /** Divides the logits; 0 takes the most probable token. 1 unless given. */
  readonly temperature?: number;
  /** Keeps the k most probable tokens; all unless given. */
  readonly topK?: number;
  /** Keeps the most probable tokens that together reach this probability; 1 unless given. */
  readonly topP?: number;
}

/** Throws `RangeError` for settings that make no sense. */
export function checkSampling({ temperature = 1, topK = 1, topP = 1 }: Sampling): void {
  if (!(temperature >= 0 && Number.isFinite(temperature))) {
    throw new RangeError(`Temperature is 0 or more, not ${temperature}`);
  }
  if (!(Number.isInteger(topK) && topK >= 1)) {
    throw new RangeError(`Top-k is a whole number of at least 1, not ${topK}`);
  }
  if (!(topP > 0 && topP <= 1)) throw new RangeError(`Top-p is above 0 and at most 1, not ${topP}`);
}

/**
 * The token that `chance`, a number in [0, 1), picks. Equal logits rank by token number.
 *
 * @throws {RangeError} if a logit is NaN or the largest is not finite: nothing can be read from such a model.
 */
export function sample(
  logits: ArrayLike<number>,
  chance: number,
  { temperature = 1, topK = logits.length, topP = 1 }: Sampling = {},
): number {
  const tokens = Array.from({ length: logits.length }, (_, i) => i);
  const highest = tokens.reduce((best, i) => Math.max(best, logits[i]), -Infinity);
  if (!Number.isFinite(highest)) {
    throw new RangeError(
      `Cannot sample a token: the largest logit is ${highest}; the model's parameters are spoilt`,
    );
  }
  if (temperature === 0) return tokens.reduce((best, i) => logits[i] > logits[best] ? i : best, 0);
  const filtered = topK < logits.length || topP < 1;
  const ranked = filtered ? tokens.sort((a, b) => logits[b] - logits[a] || a - b).slice(0, topK) : tokens;
  const weights = ranked.map((i) => Math.exp((logits[i] - highest) / temperature));
  let total = weights.reduce((a, b) => a + b, 0), count = ranked.length;
  if (topP < 1) {
    const wanted = topP * total;
    total = 0;
    for (count = 0; count < ranked.length && total < wanted; count++) total += weights[count];
  }
  let left = chance * total;
  for (let i = 0; i < count; i++) {
    left -= weights[i];
    if (left < 0) return ranked[i];
  }
  return ranked[count - 1];
}
