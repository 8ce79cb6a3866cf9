// The text world of the demo: little stories from a grammar of our own, and a small labelled task in the same world.
// In a raw story every event is followed by the feeling it causes; in a labelled text the feeling is left out and is
// the label. The words are in lexicon.ts; the trainer and the tokenizer know nothing of either.
//
// Every event is a plot: who it happens to, what it is about, and what happens. A hash of the plot says which one of
// five parts it belongs to (raw training, raw held-out, labelled train, dev, test), so that no event of one part is
// ever told in another, whatever the seeds and counts.

import { Random, streamOf, threefry } from "../../core/random.ts";
import {
  BEINGS,
  FATES,
  type Feeling,
  FEELINGS,
  HOMES,
  MOVE_FEELING,
  MOVES,
  NAMES,
  type Regard,
  SENTENCES,
  SIGNS,
  THINGS,
  TIMES,
  TRADES,
} from "./lexicon.ts";

/** A text of the labelled task, and the feeling that it leaves unsaid. */
export interface Labelled {
  readonly text: string;
  readonly label: Feeling;
}

/** Openings to be continued by a trained model. */
export const prompts: readonly string[] = [
  "Clara the baker lived in a small cottage by the river. Every day she baked bread. One morning a wolf",
  "In an old tower on the hill lived a teacher named Hugo. He owned a fine umbrella. At midnight the umbrella",
  "Rosa was a potter and lived in a narrow hut near the forest. Her best friend was called Max.",
];

/** The parts of the world, each with its share of all plots in percent. */
const PARTS = [
  ["stories/train", 76],
  ["stories/heldout", 6],
  ["labelled/train", 6],
  ["labelled/dev", 6],
  ["labelled/test", 6],
] as const;
type Part = typeof PARTS[number][0];

/** Every third being, thing and event: not in the labelled training texts. */
const SCARCE: ReadonlySet<string> = new Set(
  [...Object.values(BEINGS), THINGS, ...Object.values(MOVES), ...Object.values(FATES)]
    .flatMap((list) => list.filter((_, index) => index % 3 === 2)),
);

/** The chance that a plot is about a being that comes or goes; the others are about a thing that is owned. */
const MOVE_SHARE = 0.7;
/** The chance that a glad plot is drawn outright, before the four feelings have equal chances. */
const GLAD_EXTRA = 0.06;

/** Who a story is about: fixed from its first sentence to its last. */
interface Cast {
  readonly name: string;
  readonly he: "he" | "she";
  readonly friend: string;
  readonly trade: string;
  readonly work: string;
  readonly home: string;
  readonly where: string;
}

/** Something that happens, and how it makes people feel. */
interface Plot {
  readonly kind: keyof typeof MOVES | "fate";
  readonly subject: string;
  readonly event: string;
  readonly feeling: Feeling;
}

/**
 * Raw stories for pre-training: `count` documents of about 50 to 100 words and marks. No plot, and so no document, of
 * the held-out split is ever in the training split, for any seeds.
 */
export function stories(seed: number, count: number, split: "train" | "heldout"): string[] {
  const part = `stories/${split}` as const, random = new Random(seed, part);
  return Array.from({ length: count }, () => story(random, part));
}

/**
 * Texts to be labelled with the feeling that they cause, about 25 to 50 words and marks each, all different, and
 * without a plot in common with another split or with any raw story. The training split leaves out every third
 * subject and every third event, so that a model which knows nothing but these examples meets new words in the other
 * two; all of these words are common in the raw stories.
 */
export function labelled(seed: number, count: number, split: "train" | "dev" | "test"): Labelled[] {
  const part = `labelled/${split}` as const, random = new Random(seed, part);
  const found = new Map<string, Labelled>();
  while (found.size < count) {
    const cast = castOf(random), plot = plotOf(random, part, cast.name);
    const filler = pick(random, [SENTENCES.work, SENTENCES.friend]);
    const text = [
      say(random, SENTENCES.opening, cast),
      say(random, filler, cast),
      eventOf(random, cast, plot),
    ].join(" ");
    found.set(text, { text, label: plot.feeling });
  }
  return [...found.values()];
}

function story(random: Random, part: Part): string {
  const cast = castOf(random), first = plotOf(random, part, cast.name);
  const sentences = [say(random, SENTENCES.opening, cast)];
  if (random.next() < 0.5) {
    if (random.next() < 0.5) sentences.push(say(random, SENTENCES.work, cast));
    sentences.push(say(random, SENTENCES.friend, cast), ...sceneOf(random, cast, first));
    const answer = pick(random, SIGNS[first.feeling].answers);
    sentences.push(say(random, SENTENCES.telling, cast, { subject: first.subject, answer }));
  } else {
    let second = plotOf(random, part, cast.name);
    while (second.subject === first.subject) second = plotOf(random, part, cast.name);
    sentences.push(...sceneOf(random, cast, first), ...sceneOf(random, cast, second));
  }
  sentences.push(say(random, SENTENCES.closing, cast, { subject: first.subject }));
  return sentences.join(" ");
}

/** Someone to tell of. */
function castOf(random: Random): Cast {
  const he = pick(random, ["he", "she"] as const), name = pick(random, NAMES[he]);
  const others = [...NAMES.he, ...NAMES.she].filter((other) => other !== name);
  return {
    he,
    name,
    friend: pick(random, others),
    ...pick(random, TRADES),
    home: `${pick(random, HOMES.look)} ${pick(random, HOMES.kind)}`,
    where: pick(random, HOMES.where),
  };
}

/** A plot of the wanted part. The feeling is drawn first, so that the four labels are nearly equally common. */
function plotOf(random: Random, part: Part, name: string): Plot {
  while (true) {
    const feeling = random.next() < GLAD_EXTRA ? "glad" : pick(random, FEELINGS);
    const plot = random.next() < MOVE_SHARE ? movePlot(random, feeling) : fatePlot(random, feeling);
    if (partOf(`${name}/${plot.subject}/${plot.event}`) !== part) continue;
    if (part === "labelled/train" && (SCARCE.has(plot.subject) || SCARCE.has(plot.event))) continue;
    return plot;
  }
}

function movePlot(random: Random, feeling: Feeling): Plot {
  const regards = Object.keys(BEINGS) as Regard[], ways = Object.keys(MOVES) as (keyof typeof MOVES)[];
  const causes = regards.flatMap((regard) => ways.map((way) => ({ regard, way })))
    .filter(({ regard, way }) => MOVE_FEELING[regard][way] === feeling);
  const { regard, way } = pick(random, causes);
  return { kind: way, subject: pick(random, BEINGS[regard]), event: pick(random, MOVES[way]), feeling };
}

function fatePlot(random: Random, feeling: Feeling): Plot {
  return { kind: "fate", subject: pick(random, THINGS), event: pick(random, FATES[feeling]), feeling };
}

function partOf(plot: string): Part {
  const percent = threefry(streamOf(plot), streamOf("part"), 0, 0)[0] % 100;
  let below = 0;
  for (const [part, share] of PARTS) if (percent < (below += share)) return part;
  throw new RangeError("Cannot place a plot: the shares of the parts add up to less than 100");
}

/** The event itself, in one or two sentences. Only one who comes can turn up without having been heard of. */
function eventOf(random: Random, cast: Cast, { kind, subject, event }: Plot): string {
  const time = pick(random, TIMES);
  if (kind === "fate") {
    const slots = { time, subject, fate: event };
    return `${say(random, SENTENCES.owning, cast, slots)} ${say(random, SENTENCES.fate, cast, slots)}`;
  }
  const slots = { time, subject, move: event };
  if (kind === "comes" && random.next() < 0.4) return say(random, SENTENCES.arrival, cast, slots);
  return `${say(random, SENTENCES.rumour, cast, slots)} ${say(random, SENTENCES.move, cast, slots)}`;
}

/** The event and the feeling that follows from it. */
function sceneOf(random: Random, cast: Cast, plot: Plot): string[] {
  const signs = SIGNS[plot.feeling];
  const slots = {
    adjective: pick(random, signs.adjectives),
    adverb: signs.adverb,
    noun: signs.noun,
    deed: pick(random, signs.deeds),
  };
  return [eventOf(random, cast, plot), say(random, SENTENCES.feeling, cast, slots)];
}

/** One of some sentences, with its slots filled: `cast` gives the people and places, `more` the rest. */
function say(
  random: Random,
  templates: readonly string[],
  cast: Cast,
  more: Record<string, string> = {},
): string {
  const own = cast.he === "he" ? { him: "him", his: "his" } : { him: "her", his: "her" };
  const text = fill(pick(random, templates), { ...cast, ...own, ...more });
  return text[0].toUpperCase() + text.slice(1);
}

/** Fills slots, twice because a filling may hold slots itself, and turns "a" into "an" before a vowel. */
function fill(template: string, slots: Readonly<Record<string, string>>): string {
  let text = template;
  for (let round = 0; round < 2; round++) {
    text = text.replace(/\{(\w+)\}/g, (slot, name: string) => slots[name] ?? slot);
  }
  return text.replace(/\b([Aa])(?= [aeiou])/g, "$1n");
}

function pick<T>(random: Random, items: readonly T[]): T {
  return items[random.below(items.length)];
}
