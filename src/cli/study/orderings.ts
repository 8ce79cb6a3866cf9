// Whether the arms of an ablation come out in the order that the paper has: pair by pair, in a sentence that says no more
// than the numbers do.

/** An arm's score on a task, here and in the paper. */
export interface Compared {
  readonly title: string;
  readonly score: number;
  /** Of its seeds; the same as `score` for one seed. */
  readonly least: number;
  readonly most: number;
  readonly paper: number;
}

/** How far two orderings agree. */
export interface Agreement {
  readonly pairs: number;
  /** Pairs that stand in the same order; equal ones count for neither. */
  readonly agreeing: number;
  /** Pairs whose ranges over seeds overlap. */
  readonly overlapping: number;
}

/** Compares every two arms. */
export function agreementOf(arms: readonly Compared[]): Agreement {
  let pairs = 0, agreeing = 0, overlapping = 0;
  arms.forEach((a, i) =>
    arms.slice(0, i).forEach((b) => {
      pairs++;
      if (Math.sign(a.score - b.score) * Math.sign(a.paper - b.paper) > 0) agreeing++;
      if (a.least <= b.most && b.least <= a.most) overlapping++;
    })
  );
  return { pairs, agreeing, overlapping };
}

/** The arms from best to worst: `full > no aux LM = LSTM`. */
export function ordering(arms: readonly { readonly title: string; readonly score: number }[]): string {
  const sorted = arms.toSorted((a, b) => b.score - a.score);
  return sorted.map(({ title, score }, i) =>
    i === 0 ? title : `${score === sorted[i - 1].score ? "=" : ">"} ${title}`
  ).join(" ");
}

/** The comparison in words; without `seeds` nothing is said of ranges. */
export function orderingSentence(task: string, arms: readonly Compared[], seeds?: number): string {
  const { pairs, agreeing, overlapping } = agreementOf(arms), here = ordering(arms);
  const paper = ordering(arms.map(({ title, paper }) => ({ title, score: paper })));
  const found = agreeing === pairs
    ? `ordered as in the paper: ${here}`
    : `${agreeing} of ${pairs} pair${
      pairs === 1 ? "" : "s"
    } of arms ordered as in the paper; here ${here}; the paper ${paper}`;
  if (seeds === undefined) return `${task}: ${found}.`;
  const ranges = seeds < 2
    ? "one seed, so nothing tells how far chance goes"
    : overlapping === 0
    ? "no two ranges over the seeds overlap"
    : `the ranges over ${seeds} seeds overlap in ${overlapping} of ${pairs} pair${pairs === 1 ? "" : "s"}`;
  return `${task}: ${found}; ${ranges}.`;
}
