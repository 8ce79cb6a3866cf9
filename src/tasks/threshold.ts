// A threshold between two classes, chosen where it separates labelled scores best. One pass over the sorted scores, so that
// thousands of sentences cost nothing beside scoring them.

import { matthewsOf } from "./metrics.ts";

/**
 * The threshold from which on a score is taken for class 1, such that Matthews correlation with the labels, 0 and 1, is
 * highest: half-way between two neighbouring scores, or the least score, which takes all of them. Of equally good ones the
 * lowest.
 *
 * @example
 * ```ts
 * import { thresholdOf } from "@foreword/foreword";
 * import { assertEquals } from "@std/assert";
 * assertEquals(thresholdOf([-3, -1, -2, -4], [1, 1, 1, 0]), -3.5);
 * ```
 *
 * @throws {RangeError} if there are no scores, or not as many labels.
 */
export function thresholdOf(scores: readonly number[], labels: readonly number[]): number {
  if (scores.length === 0 || scores.length !== labels.length) {
    throw new RangeError(
      `Cannot choose a threshold from ${scores.length} scores and ${labels.length} labels: give as many, and at least one`,
    );
  }
  const order = scores.map((_, i) => i).sort((a, b) => scores[a] - scores[b]);
  const positives = labels.reduce((sum, label) => sum + label, 0);
  let best = scores[order[0]], highest = 0; // all of class 1 has no correlation
  let below = 0, positivesBelow = 0;
  for (const [k, i] of order.slice(0, -1).entries()) {
    below++;
    positivesBelow += labels[i];
    const next = scores[order[k + 1]];
    if (next === scores[i]) continue;
    const above = positives - positivesBelow;
    const value = matthewsOf([
      [below - positivesBelow, scores.length - below - above],
      [positivesBelow, above],
    ]);
    if (value <= highest) continue;
    const middle = (scores[i] + next) / 2; // which is the lower one where no number lies between
    [best, highest] = [middle > scores[i] ? middle : next, value];
  }
  return best;
}
