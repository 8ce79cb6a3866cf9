// Races: contestants take turns in lockstep, and all turns must give the same values; only then do the medians of their
// times mean anything. How a contestant is spoken to is in contest.ts.

import { type Contestant, enter, type Entrant, type Turn } from "./contest.ts";
import { median } from "./measure.ts";
import { remark } from "./report.ts";

/** Contestants that could start. */
export interface Contestants extends AsyncDisposable {
  readonly present: readonly Contestant[];
}

/** Starts entrants on a job, one after the other. One that cannot start is left out with a remark; the first must. */
export async function enterAll(entrants: readonly Entrant[], folder: string): Promise<Contestants> {
  const present: Contestant[] = [];
  for (const entrant of entrants) {
    try {
      present.push(await enter(entrant, folder));
    } catch (error) {
      if (present.length === 0) throw error;
      remark(`skipped: ${error instanceof Error ? error.message : error}`);
    }
  }
  const end = async (): Promise<void> => {
    for (const contestant of present) await contestant[Symbol.asyncDispose]();
  };
  return { present, [Symbol.asyncDispose]: end };
}

/** Throws unless two turns have the same values, to `tolerance` relative to the largest. */
export function requireAgreement(
  ours: string,
  want: Turn,
  theirs: string,
  got: Turn,
  tolerance: number,
): void {
  const scale = want.values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const wrong = want.values.findIndex((value, i) => !(Math.abs(value - got.values[i]) <= tolerance * scale));
  if (wrong < 0 && want.values.length === got.values.length) return;
  throw new Error(
    `${theirs} computes ${got.values[wrong]} where ${ours} computes ${want.values[wrong]}: not timed`,
  );
}

/** How many turns count. */
export interface RaceOptions {
  /** Turns that are compared but not timed, the first included. */
  readonly warm?: number;
  /** Least number of timed turns, and seconds to go on for. */
  readonly least?: number;
  readonly seconds?: number;
  /** How far values may be apart, relative to the largest. */
  readonly tolerance?: number;
}

const SETTLE_MS = 30; // for threads that spin a while after their turn

/** Lets contestants take turns in lockstep; median seconds of each. The first one's values are what the others must have. */
export async function race(
  contestants: readonly Contestant[],
  { warm = 2, least = 3, seconds = 0, tolerance = 1e-3 }: RaceOptions = {},
): Promise<number[]> {
  const [ours] = contestants, times = contestants.map((): number[] => []);
  const compare = (turns: readonly Turn[]): void =>
    contestants.forEach(({ name }, i) => requireAgreement(ours.name, turns[0], name, turns[i], tolerance));
  const round = async (): Promise<Turn[]> => {
    const turns: Turn[] = [];
    for (const contestant of contestants) {
      await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
      turns.push(await contestant.turn());
    }
    compare(turns);
    return turns;
  };
  compare(contestants.map(({ first }) => first));
  for (let i = 1; i < warm; i++) await round();
  const until = performance.now() + 1000 * seconds;
  while (times[0].length < least || performance.now() < until) {
    for (const [i, turn] of (await round()).entries()) times[i].push(turn.seconds);
  }
  return times.map(median);
}

/** Median seconds of a turn by the name of the entrant, for those that could start. */
export async function raceAll(
  entrants: readonly Entrant[],
  folder: string,
  options: RaceOptions,
): Promise<Map<string, number>> {
  await using contestants = await enterAll(entrants, folder);
  const seconds = await race(contestants.present, options);
  return new Map(contestants.present.map(({ name }, i) => [name, seconds[i]]));
}
