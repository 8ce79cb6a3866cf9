// Ours and peers in one process: what everyone makes is compared first, and that first pass is timed too, as the cold one;
// then those that agree take turns (measure.ts). What they make is up to text_subject.ts.

import { alternate, median } from "./measure.ts";

/** Somebody who takes turns. */
export interface Taker<T> {
  readonly name: string;
  readonly run: () => T;
}

/** Seconds by name, ours first: the first pass, and the median of later ones. */
export interface Turns {
  readonly cold: ReadonlyMap<string, number>;
  readonly warm: ReadonlyMap<string, number>;
  /** Why others have no times. */
  readonly left: readonly string[];
}

/** Where two results part, in words; `null` if they are the same. */
export type Difference<T> = (ours: T, theirs: T) => string | null;

/** Times those who make what the first of them makes. */
export async function takeTurns<T>(
  takers: readonly Taker<T>[],
  difference: Difference<T>,
  turns: { readonly seconds: number; readonly least: number },
): Promise<Turns> {
  const cold = new Map<string, number>(), left: string[] = [];
  let ours: T | undefined;
  for (const [i, { name, run }] of takers.entries()) {
    try {
      const began = performance.now(), result = run(), seconds = (performance.now() - began) / 1000;
      if (i === 0) ours = result;
      const wrong = i === 0 ? null : difference(ours!, result);
      if (wrong === null) cold.set(name, seconds);
      else left.push(`${name} ${wrong}: not timed`);
    } catch (error) {
      if (i === 0) throw error;
      left.push(`${name} fails: ${error instanceof Error ? error.message : error}`);
    }
  }
  const able = takers.filter(({ name }) => cold.has(name));
  const medians = await alternate(able.map(({ run }) => () => Promise.resolve(run())), turns);
  return { cold, warm: new Map(able.map(({ name }, i) => [name, medians[i]])), left };
}

/** Median seconds of `run` on what each maker makes for a turn, the makers taking turns; one more turn does not count. */
export function takeFresh<T>(
  makers: readonly ((turn: number) => T)[],
  run: (made: T) => void,
  { seconds, least }: { readonly seconds: number; readonly least: number },
): number[] {
  const times = makers.map((): number[] => []), until = performance.now() + 1000 * seconds;
  for (let turn = 0; turn <= least || performance.now() < until; turn++) {
    for (const [i, make] of makers.entries()) {
      const made = make(turn), began = performance.now();
      run(made);
      if (turn > 0) times[i].push((performance.now() - began) / 1000);
    }
  }
  return times.map(median);
}

/** Compares ids. */
export function idsDiffer(ours: ArrayLike<number>, theirs: ArrayLike<number>): string | null {
  const shorter = Math.min(ours.length, theirs.length);
  let at = 0;
  while (at < shorter && ours[at] === theirs[at]) at++;
  if (at < shorter) return `gives ${theirs[at]} as id ${at} where ours is ${ours[at]}`;
  return ours.length === theirs.length ? null : `gives ${theirs.length} ids where ours are ${ours.length}`;
}

/** Compares texts. */
export const textsDiffer = (ours: string, theirs: string): string | null =>
  ours === theirs ? null : "gives another text";
