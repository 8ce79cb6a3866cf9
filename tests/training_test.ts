// Learning merges over bytes against its definition, counting words with and without shards, and, where FOREWORD_DATA
// names a folder that holds tok/bpe-train-fixture/, a published example merge for merge.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { memoryStorage } from "../src/core/memory_storage.ts";
import { Random } from "../src/core/random.ts";
import { trainByteBpe } from "../src/text/bytes/train.ts";
import { learnByteMerges } from "../src/text/training/byte_merges.ts";
import { countWords } from "../src/text/training/word_counts.ts";

const FIXTURE = `${Deno.env.get("FOREWORD_DATA") ?? ""}/tok/bpe-train-fixture`;
const present = await Deno.stat(`${FIXTURE}/corpus.en`).then(() => true, () => false);
if (!present) {
  console.log("skipped: a published example of training (no tok/bpe-train-fixture in FOREWORD_DATA)");
}

/** All pairs counted again before every merge; the most frequent first, the greatest among equals. */
function mergesByDefinition(frequency: ReadonlyMap<string, number>, wanted: number): [string, string][] {
  const bytes = (word: string) =>
    [...new TextEncoder().encode(word)].map((byte) => String.fromCharCode(byte));
  const words = [...frequency].map(([word, count]) => ({ symbols: bytes(word), count }));
  const merges: [string, string][] = [], taken = new Set<string>();
  while (merges.length < wanted) {
    const pairs = new Map<string, { pair: [string, string]; count: number }>();
    for (const { symbols, count } of words) {
      symbols.slice(1).forEach((right, i) => {
        const left = symbols[i], key = `${left.length} ${left}${right}`;
        if (taken.has(left + right)) return;
        pairs.set(key, { pair: [left, right], count: (pairs.get(key)?.count ?? 0) + count });
      });
    }
    const after = ([l, r]: [string, string], [m, s]: [string, string]) => l !== m ? l > m : r > s;
    let best: { pair: [string, string]; count: number } | undefined;
    for (const entry of pairs.values()) {
      if (!best || entry.count > best.count || (entry.count === best.count && after(entry.pair, best.pair))) {
        best = entry;
      }
    }
    if (!best) break;
    const [left, right] = best.pair;
    taken.add(left + right);
    merges.push(best.pair);
    for (const word of words) {
      const joined: string[] = [];
      for (let i = 0; i < word.symbols.length; i++) {
        const match = word.symbols[i] === left && word.symbols[i + 1] === right;
        joined.push(match ? left + word.symbols[++i] : word.symbols[i]);
      }
      word.symbols = joined;
    }
  }
  return merges;
}

const asTheyAre = (group: readonly string[]): readonly string[] => group;

function randomWords(random: Random, count: number): string[] {
  const letters = [..."aaaabbcé€😀 "];
  return Array.from(
    { length: count },
    () => Array.from({ length: 1 + random.below(9) }, () => letters[random.below(letters.length)]).join(""),
  );
}

async function* inGroups(words: readonly string[], size: number): AsyncGenerator<string[]> {
  for (let at = 0; at < words.length; at += size) yield words.slice(at, at + size);
}

Deno.test("byte merges follow their definition", async () => {
  for (let seed = 1; seed <= 10; seed++) {
    const { words } = await countWords(
      inGroups(randomWords(new Random(seed, "test/training"), 60), 7),
      asTheyAre,
    );
    const wanted = 60;
    assertEquals(
      await learnByteMerges(words, { wanted, minFrequency: 1 }),
      mergesByDefinition(words, wanted),
      `seed ${seed}`,
    );
  }
});

Deno.test("shards on the side give the same counts as memory, and none is left", async () => {
  const words = randomWords(new Random(1, "test/training"), 3000), storage = memoryStorage();
  const whole = await countWords(inGroups(words, 50), asTheyAre);
  const few = whole.words.size;
  // Every shard holds a few of the words; together they fit.
  const merged = await countWords(inGroups([...words, ...words], 50), asTheyAre, {
    spill: { storage, folder: "counts", words: few },
  });
  assertEquals(merged.dropped, { words: 0, atMost: 0 });
  assertEquals([...merged.words].sort(), [...whole.words].map(([word, n]) => [word, 2 * n]).sort());
  assertEquals(await storage.stat("counts"), null);
});

Deno.test("where words are too many, exactly the rarest are left out", async () => {
  const words = randomWords(new Random(2, "test/training"), 5000), storage = memoryStorage();
  const whole = await countWords(inGroups(words, 100), asTheyAre);
  const { words: kept, dropped } = await countWords(inGroups(words, 100), asTheyAre, {
    spill: { storage, folder: "c", words: 40 },
  });
  assert(kept.size <= 40 && dropped.atMost > 0);
  assertEquals([...kept].sort(), [...whole.words].filter(([, n]) => n > dropped.atMost).sort());
  assertEquals(dropped.words, whole.words.size - kept.size);
});

Deno.test("counting fails with the error of the texts and leaves no shards", async () => {
  const storage = memoryStorage();
  async function* failing(): AsyncGenerator<string[]> {
    yield* inGroups(randomWords(new Random(3, "test/training"), 500), 10);
    throw new SyntaxError("not UTF-8");
  }
  await assertRejects(
    () => countWords(failing(), asTheyAre, { spill: { storage, folder: "c", words: 20 } }),
    SyntaxError,
    "not UTF-8",
  );
  assertEquals(await storage.stat("c"), null);
  await assertRejects(
    () => countWords(failing(), asTheyAre, { spill: { storage, folder: "c", words: 0 } }),
    RangeError,
    "at least 1",
  );
});

Deno.test({ name: "a published example, merge for merge", ignore: !present }, async () => {
  const read = (name: string) => Deno.readTextFile(`${FIXTURE}/${name}`);
  const { merges, tokens } = await trainByteBpe([await read("corpus.en")], {
    vocabSize: 500,
    special: ["<|endoftext|>"],
  });
  const published = (await read("train-bpe-reference-merges.txt")).trimEnd().split("\n");
  assertEquals(merges.map((pair) => pair.join(" ")), published);
  const vocabulary = JSON.parse(await read("train-bpe-reference-vocab.json")); // with the special token first
  assertEquals(new Set(tokens), new Set(Object.keys(vocabulary)));
});
