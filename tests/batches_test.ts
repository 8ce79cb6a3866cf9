// Batches: windows are text, epochs are permutations, a cursor resumes exactly, evaluation covers every target once.

import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { Random } from "../src/core/random.ts";
import { type Batch, type BatchSource, sequentialWindows, windows } from "../src/text/batches.ts";

/** Runs `check` on several seeds; a failure names its seed. */
function property(check: (random: Random, seed: number) => void, seeds = 50): void {
  for (let seed = 1; seed <= seeds; seed++) {
    try {
      check(new Random(seed, "test/batches"), seed);
    } catch (error) {
      throw new Error(`with seed ${seed}`, { cause: error });
    }
  }
}

const counting = (n: number): Uint16Array => Uint16Array.from({ length: n }, (_, i) => i);
const take = (source: BatchSource, n: number): Batch[] => Array.from({ length: n }, () => source.next());

Deno.test("an epoch gives each of its windows once, in text order inside", () =>
  property((random, seed) => {
    const batch = 1 + random.below(4), length = 1 + random.below(9);
    const n = batch * length + random.below(200), source = windows(counting(n), { batch, length, seed });
    assertEquals(source.batchesPerEpoch, Math.floor(Math.floor(n / length) / batch));
    for (let epoch = 0; epoch < 3; epoch++) {
      const inputs = new Set<number>();
      for (const { tokens, targets } of take(source, source.batchesPerEpoch)) {
        assertEquals([tokens.length, targets.length], [batch * length, batch * length]);
        tokens.forEach((token, i) => {
          assertEquals(targets[i], (token + 1) % n);
          if (i % length > 0) assertEquals(token, targets[i - 1]);
          inputs.add(token);
        });
      }
      assertEquals(inputs.size, source.batchesPerEpoch * batch * length, "a token came twice");
      assertEquals(source.cursor, { epoch: epoch + 1, index: 0 });
    }
  }));

Deno.test("a source set to a saved cursor goes on as if nothing had happened", () =>
  property((random, seed) => {
    const options = { batch: 1 + random.below(3), length: 1 + random.below(5), seed }, corpus = counting(60);
    const whole = windows(corpus, options), stop = random.below(4 * whole.batchesPerEpoch);
    take(whole, stop);
    const resumed = windows(corpus, options), cursor = JSON.parse(JSON.stringify(whole.cursor));
    if (random.below(2)) take(resumed, random.below(50)); // wherever it was before
    resumed.seek(cursor);
    assertEquals(resumed.cursor, cursor);
    const n = 2 * whole.batchesPerEpoch + 1;
    assertEquals(take(resumed, n), take(whole, n));
    assertEquals(resumed.cursor, whole.cursor);
  }));

Deno.test("seed and epoch decide offset and order", () => {
  const corpus = counting(1000),
    starts = (seed: number, epoch: number): number[] => {
      const source = windows(corpus, { batch: 2, length: 10, seed });
      source.seek({ epoch, index: 0 });
      return take(source, 50).flatMap(({ tokens }) => [tokens[0], tokens[10]]);
    };
  assertEquals(starts(1, 0), starts(1, 0));
  const grids = [starts(1, 0), starts(1, 1), starts(1, 2), starts(2, 0)].map((s) =>
    [...s].sort((a, b) => a - b)
  );
  assert(new Set(grids.map(([first]) => first % 10)).size > 1, "every epoch has the same grid");
  assertNotEquals(starts(1, 0), [...starts(1, 0)].sort((a, b) => a - b), "the order is not shuffled");
  assertNotEquals(starts(1, 0), starts(2, 0));
});

Deno.test("over the epochs every place of the corpus gets to start a window", () => {
  const source = windows(counting(40), { batch: 1, length: 8, seed: 4 });
  const starts = new Set(take(source, 5 * 60).map(({ tokens }) => tokens[0]));
  assertEquals(starts.size, 40);
});

Deno.test("windows refuse what they cannot do", () => {
  assertEquals(windows(counting(8), { batch: 2, length: 4, seed: 1 }).batchesPerEpoch, 1);
  assertThrows(() => windows(counting(7), { batch: 2, length: 4, seed: 1 }), RangeError, "one batch takes 8");
  assertThrows(() => windows(counting(0), { batch: 1, length: 1, seed: 1 }), RangeError, "a corpus of 0");
  for (const bad of [0, -1, 1.5, NaN]) {
    assertThrows(() => windows(counting(9), { batch: bad, length: 1, seed: 1 }), RangeError, `batch ${bad}`);
    assertThrows(
      () => sequentialWindows(counting(9), { batch: 1, length: bad }),
      RangeError,
      `length ${bad}`,
    );
  }
  const source = windows(counting(9), { batch: 2, length: 2, seed: 1 });
  for (const [epoch, index] of [[0, 2], [0, -1], [-1, 0], [0, 0.5], [NaN, 0]]) {
    assertThrows(
      () => source.seek({ epoch, index }),
      RangeError,
      `Cannot go to batch ${index} of epoch ${epoch}`,
    );
  }
  assertEquals(source.cursor, { epoch: 0, index: 0 });
});

Deno.test("evaluation predicts every token but the first exactly once, in order", () =>
  property((random) => {
    const n = 2 + random.below(120), batch = 1 + random.below(4), length = 1 + random.below(9);
    const corpus = Uint32Array.from({ length: n }, (_, i) => 70_000 + i), seen: number[] = [];
    const source = sequentialWindows(corpus, { batch, length });
    for (const { tokens, targets, live } of source) {
      assertEquals([tokens.length, targets.length, live.length], [batch * length, batch * length, batch]);
      assert(live[0] > 0, "a batch without anything in it");
      for (let i = 0; i < tokens.length; i++) {
        const lives = i % length < live[Math.floor(i / length)];
        assertEquals(targets[i], lives ? tokens[i] + 1 : 0);
        if (lives) seen.push(targets[i]);
        else assertEquals(tokens[i], 0);
      }
    }
    assertEquals(seen, [...corpus.subarray(1)]);
    assertEquals([...source].length, Math.ceil((n - 1) / (batch * length)), "it can be gone through again");
  }));

Deno.test("evaluation needs two tokens", () => {
  for (const n of [0, 1]) {
    assertThrows(() => sequentialWindows(counting(n), { batch: 1, length: 1 }), RangeError, `on ${n} tokens`);
  }
});
