// Metrics of classification, from true and predicted class numbers: accuracy, F1, Matthews correlation. Plain functions of
// plain numbers; what predicts them is elsewhere.

/** How often prediction and truth agree, in [0, 1]. */
export function accuracy(truth: ArrayLike<number>, predicted: ArrayLike<number>): number {
  requireSameLength(truth, predicted);
  let right = 0;
  for (let i = 0; i < truth.length; i++) if (truth[i] === predicted[i]) right++;
  return right / truth.length;
}

/** counts[t][p]: how many examples of class t were predicted as p. */
export function confusion(
  truth: ArrayLike<number>,
  predicted: ArrayLike<number>,
  classes: number,
): number[][] {
  requireSameLength(truth, predicted);
  const counts = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  for (let i = 0; i < truth.length; i++) counts[truth[i]][predicted[i]]++;
  return counts;
}

/** F1 of one class: the harmonic mean of precision and recall; 0 where neither is defined. */
export function f1(truth: ArrayLike<number>, predicted: ArrayLike<number>, positive: number): number {
  requireSameLength(truth, predicted);
  let both = 0, either = 0;
  for (let i = 0; i < truth.length; i++) {
    const t = truth[i] === positive, p = predicted[i] === positive;
    both += Number(t && p);
    either += Number(t) + Number(p);
  }
  return either === 0 ? 0 : 2 * both / either;
}

/** The unweighted mean of every class's F1. */
export function macroF1(truth: ArrayLike<number>, predicted: ArrayLike<number>, classes: number): number {
  return Array.from({ length: classes }, (_, c) => f1(truth, predicted, c)).reduce((a, b) => a + b, 0) /
    classes;
}

/**
 * Matthews correlation for any number of classes (Gorodkin's R_K; for two classes the usual coefficient). 0 where the
 * truth or the prediction has one class only.
 */
export function matthews(truth: ArrayLike<number>, predicted: ArrayLike<number>, classes: number): number {
  return matthewsOf(confusion(truth, predicted, classes));
}

/** The same from counts[t][p], as `confusion` gives them. */
export function matthewsOf(counts: readonly (readonly number[])[]): number {
  const range = counts.map((_, c) => c), n = counts.flat().reduce((a, b) => a + b, 0);
  const correct = range.reduce((sum, c) => sum + counts[c][c], 0);
  const rows = range.map((c) => counts[c].reduce((a, b) => a + b, 0));
  const columns = range.map((c) => counts.reduce((sum, row) => sum + row[c], 0));
  const dot = (a: number[], b: number[]) => a.reduce((sum, value, i) => sum + value * b[i], 0);
  const spread = (n * n - dot(rows, rows)) * (n * n - dot(columns, columns));
  return spread === 0 ? 0 : (correct * n - dot(rows, columns)) / Math.sqrt(spread);
}

function requireSameLength(truth: ArrayLike<number>, predicted: ArrayLike<number>): void {
  if (truth.length === 0) throw new RangeError("Cannot score no examples: give at least one");
  if (truth.length !== predicted.length) {
    throw new RangeError(`Cannot compare ${truth.length} labels with ${predicted.length} predictions`);
  }
}
