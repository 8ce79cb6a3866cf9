// The demo's text world: the same texts for the same seed, nothing shared between splits, English that holds together,
// and a task that is decided by the text, too hard for counting words in 300 examples, and easy for who knows the world.

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import {
  BEINGS,
  FATES,
  type Feeling,
  FEELINGS,
  MOVE_FEELING,
  MOVES,
  NAMES,
  type Regard,
  SIGNS,
  THINGS,
} from "../src/cli/demo/lexicon.ts";
import { type Labelled, labelled, prompts, stories } from "../src/cli/demo/stories.ts";

const raw = { train: stories(1, 3000, "train"), heldout: stories(1, 800, "heldout") };
const task = {
  train: labelled(1, 300, "train"),
  dev: labelled(1, 300, "dev"),
  test: labelled(1, 1000, "test"),
};
const everything = [...raw.train, ...raw.heldout, ...Object.values(task).flat().map(({ text }) => text)];

/** Every event of the world: a pattern whose group is the subject, and what it makes people feel by subject. */
const events = [
  ...FEELINGS.flatMap((feeling) =>
    FATES[feeling].map((event) => ({
      event,
      pattern: event.replace("{subject}", "(\\w+)"),
      feelings: new Map(THINGS.map((thing) => [thing, feeling])),
    }))
  ),
  ...(["comes", "goes"] as const).flatMap((way) =>
    MOVES[way].map((event) => ({
      event,
      pattern: `(\\w+) ${event.replace("{him}", "(?:him|her)")}`,
      feelings: new Map(
        (Object.keys(BEINGS) as Regard[]).flatMap((regard) =>
          BEINGS[regard].map((being) => [being, MOVE_FEELING[regard][way]] as const)
        ),
      ),
    }))
  ),
].map(({ event, pattern, feelings }) => ({ event, pattern: new RegExp(`\\b${pattern}\\b`, "i"), feelings }));

interface Found {
  readonly subject: string;
  readonly event: string;
  readonly feeling: Feeling;
  readonly sentence: number;
}

/** What a reader who knows the world finds in a text, sentence by sentence. */
function eventsIn(text: string): Found[] {
  return sentencesOf(text).flatMap((words, sentence) =>
    events.flatMap(({ event, pattern, feelings }) => {
      const subject = pattern.exec(words)?.[1];
      const feeling = subject === undefined ? undefined : feelings.get(subject);
      return subject === undefined || feeling === undefined ? [] : [{ subject, event, feeling, sentence }];
    })
  );
}

function sentencesOf(text: string): string[] {
  return text.split(/(?<=\.) /);
}

function wordsOf(text: string): string[] {
  return text.toLowerCase().match(/[a-z]+/g) ?? [];
}

function heroOf(text: string): string {
  const names: readonly string[] = [...NAMES.he, ...NAMES.she];
  return text.match(/[A-Z][a-z]+/g)!.find((word) => names.includes(word))!;
}

/** Naive Bayes on the set of words: what counting can do without knowing the world. */
function countingAccuracy(train: Labelled[], test: Labelled[]): number {
  const seen = new Map<Feeling, string[][]>(FEELINGS.map((feeling) => [feeling, []]));
  for (const { text, label } of train) seen.get(label)!.push(wordsOf(text));
  const counts = new Map(FEELINGS.map((feeling) => {
    const count = new Map<string, number>();
    for (const text of seen.get(feeling)!) {
      for (const word of new Set(text)) count.set(word, (count.get(word) ?? 0) + 1);
    }
    return [feeling, count];
  }));
  const guess = (text: string): Feeling => {
    const scores = FEELINGS.map((feeling) => {
      const texts = seen.get(feeling)!.length;
      let score = Math.log(texts);
      for (const word of new Set(wordsOf(text))) {
        score += Math.log(((counts.get(feeling)!.get(word) ?? 0) + 0.5) / (texts + 1));
      }
      return score;
    });
    return FEELINGS[scores.indexOf(Math.max(...scores))];
  };
  return test.filter(({ text, label }) => guess(text) === label).length / test.length;
}

function majority(texts: Labelled[]): number {
  return Math.max(...FEELINGS.map((feeling) => texts.filter(({ label }) => label === feeling).length)) /
    texts.length;
}

Deno.test("the same seed gives the same texts, another seed gives others", () => {
  assertEquals(stories(7, 20, "train"), stories(7, 20, "train"));
  assertEquals(stories(7, 30, "heldout").slice(0, 20), stories(7, 20, "heldout"));
  assertNotEquals(stories(7, 20, "train"), stories(8, 20, "train"));
  assertEquals(labelled(7, 20, "dev"), labelled(7, 20, "dev"));
  assertNotEquals(labelled(7, 20, "dev"), labelled(8, 20, "dev"));
});

Deno.test("no text and no plot of one part is told in another, whatever the seeds", () => {
  const parts = {
    train: [...raw.train, ...stories(2, 3000, "train")],
    heldout: [...raw.heldout, ...stories(3, 800, "heldout")],
    labelledTrain: task.train.map(({ text }) => text),
    dev: [...task.dev, ...labelled(4, 300, "dev")].map(({ text }) => text),
    test: [...task.test, ...labelled(5, 300, "test")].map(({ text }) => text),
  };
  const owner = new Map<string, string>();
  for (const [part, texts] of Object.entries(parts)) {
    for (const text of texts) {
      const plots = eventsIn(text).map(({ subject, event }) => `${heroOf(text)}: ${subject}: ${event}`);
      assert(plots.length > 0, text);
      for (const key of [text, ...plots]) {
        assertEquals(owner.get(key) ?? part, part, `in two parts: ${key}`);
        owner.set(key, part);
      }
    }
  }
  for (const texts of [task.train, task.dev, task.test]) {
    assertEquals(new Set(texts.map(({ text }) => text)).size, texts.length);
  }
});

Deno.test("texts are well-formed English of the promised length", () => {
  for (const text of everything) {
    assert(!/ {2}|\{|\}|undefined|\n/.test(text), text);
    assert(!/\ba [aeiou]/i.test(text) && !/\ban (?!hour)[^aeiou]/i.test(text), `article: ${text}`);
    assert(text.endsWith("."), text);
    for (const sentence of sentencesOf(text)) assert(/^[A-Z][^.]*\.$/.test(sentence), sentence);
    const hero = heroOf(text), hers = (NAMES.she as readonly string[]).includes(hero);
    assert(!(hers ? /\b(he|his|him)\b/i : /\b(she|her)\b/i).test(text), `pronoun of ${hero}: ${text}`);
  }
  const lengths = (texts: string[]): number[] => texts.map((text) => text.match(/\w+|[.,]/g)!.length);
  for (const length of lengths([...raw.train, ...raw.heldout])) {
    assert(length >= 45 && length <= 105, `${length}`);
  }
  for (const length of lengths(task.test.map(({ text }) => text))) {
    assert(length >= 20 && length <= 50, `${length}`);
  }
});

Deno.test("the vocabulary is a few hundred words, and all of it is in the raw training stories", () => {
  const vocabulary = new Set(raw.train.flatMap(wordsOf));
  assert(vocabulary.size > 300 && vocabulary.size < 600, `${vocabulary.size} words`);
  for (const word of [...everything, ...prompts].flatMap(wordsOf)) assert(vocabulary.has(word), word);
});

Deno.test("in a raw story every event is followed by its own feeling", () => {
  for (const text of [...raw.train, ...raw.heldout]) {
    const found = eventsIn(text), sentences = sentencesOf(text);
    assert(found.length === 1 || found.length === 2, text);
    for (const { feeling, sentence } of found) {
      const words = wordsOf(sentences[sentence + 1]);
      for (const other of FEELINGS) {
        const signs = [...SIGNS[other].adjectives, SIGNS[other].adverb, SIGNS[other].noun];
        assertEquals(signs.some((sign) => words.includes(sign)), other === feeling, `${feeling}: ${text}`);
      }
    }
  }
});

Deno.test("who knows the world can label every text, though no text names a feeling", () => {
  const signs = FEELINGS.flatMap((feeling) => {
    const { adjectives, adverb, noun } = SIGNS[feeling];
    return [...adjectives, adverb, noun];
  });
  for (const { text, label } of Object.values(task).flat()) {
    const found = eventsIn(text);
    assertEquals(found.map(({ feeling }) => feeling), [label], text);
    assert(!wordsOf(text).some((word) => signs.includes(word)), text);
  }
});

Deno.test("the labels are nearly balanced, and half of the test has words that no training label explains", () => {
  for (const texts of [task.train, task.test, labelled(9, 1000, "dev")]) {
    assert(majority(texts) > 0.25 && majority(texts) < 0.35, `majority ${majority(texts)}`);
    for (const feeling of FEELINGS) assert(texts.some(({ label }) => label === feeling));
  }
  const known = new Set(
    labelled(1, 3000, "train").flatMap(({ text }) => eventsIn(text)).flatMap(subjectAndEvent),
  );
  const fresh = task.test.filter(({ text }) =>
    eventsIn(text).flatMap(subjectAndEvent).some((key) => !known.has(key))
  );
  assert(fresh.length > 0.4 * task.test.length && fresh.length < 0.7 * task.test.length, `${fresh.length}`);
});

Deno.test("counting words in 300 examples beats the majority, and stays far below knowing the world", () => {
  const counting = countingAccuracy(task.train, task.test);
  assert(counting > majority(task.test) + 0.1, `counting ${counting}, majority ${majority(task.test)}`);
  assert(counting < 0.65, `counting ${counting}`);
});

function subjectAndEvent({ subject, event }: Found): string[] {
  return [subject, event];
}
