// Learning-rate schedules and the bias-corrected step size, as GPT-1's released code computes them. `x` is the share of
// updates already completed, so the first update has step size 0 under every warm-up. Plain numbers in, plain numbers out.

const warming = (x: number, warmup: number): boolean => warmup > 0 && x <= warmup;
const ramp = (x: number, warmup: number): number => warming(x, warmup) ? x / warmup : 1;

/** Schedules of the released code, by name. */
export const schedules = {
  /** Rises to 1 over the warm-up, then the line 1 - x (not shifted by the warm-up). */
  warmup_linear: (x: number, warmup: number): number => ramp(x, warmup) * (1 - x),
  /** Rises to 1 over the warm-up, then half a cosine over the whole run. */
  warmup_cosine: (x: number, warmup: number): number =>
    warming(x, warmup) ? ramp(x, warmup) : 0.5 * (1 + Math.cos(Math.PI * x)),
  /** Rises to 1 over the warm-up and stays. */
  warmup_constant: (x: number, warmup: number): number => ramp(x, warmup),
} as const;

/** The name of a schedule. */
export type ScheduleName = keyof typeof schedules;

/** What fixes the learning rate at every update. */
export interface Schedule {
  /** The curve: a factor in [0, 1] for each update. */
  readonly name: ScheduleName;
  /** What the factor multiplies, so the highest rate there can be. */
  readonly learningRate: number;
  /** Share of the updates spent warming up, in [0, 1]. */
  readonly warmup: number;
  /** Updates in the whole run. */
  readonly steps: number;
}

/** The learning rate of update `t` (from 0). */
export function learningRate({ name, learningRate, warmup, steps }: Schedule, t: number): number {
  const x = Math.min(t / steps, 1);
  return learningRate * schedules[name](x, warmup);
}

/** Adam's step size at a learning rate: times sqrt(1 - beta2^n) / (1 - beta1^n), where n counts this update too. */
export function stepSize(rate: number, n: number, beta1: number, beta2: number): number {
  return rate * Math.sqrt(1 - beta2 ** n) / (1 - beta1 ** n);
}
