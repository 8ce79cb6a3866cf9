// The trigram baseline: a probability distribution whatever the context, close to the truth where the truth is known.

import { assert, assertAlmostEquals, assertThrows } from "@std/assert";
import { Random } from "../src/core/random.ts";
import { trainTrigram } from "../src/text/ngram.ts";

/** A source whose next token depends on the last two, with its exact probabilities. */
function secondOrder(
  seed: number,
  vocab: number,
): { draw(n: number): Uint16Array; entropy(tokens: Uint16Array): number } {
  const random = new Random(seed, "test/source");
  const table = Array.from({ length: vocab * vocab }, () => {
    const weights = Array.from({ length: vocab }, () => random.next() ** 6);
    const sum = weights.reduce((a, b) => a + b);
    return weights.map((weight) => weight / sum);
  });
  return {
    draw(n) {
      const tokens = new Uint16Array(n);
      for (let i = 2; i < n; i++) {
        const p = table[tokens[i - 2] * vocab + tokens[i - 1]];
        let rest = random.next(), token = 0;
        while (token < vocab - 1 && (rest -= p[token]) > 0) token++;
        tokens[i] = token;
      }
      return tokens;
    },
    entropy(tokens) {
      let sum = 0;
      for (let i = 2; i < tokens.length; i++) {
        sum -= Math.log(table[tokens[i - 2] * vocab + tokens[i - 1]][tokens[i]]);
      }
      return sum / (tokens.length - 2);
    },
  };
}

Deno.test("probabilities sum to one in every context, seen or not", () => {
  const vocab = 12, tokens = secondOrder(1, 9).draw(400), model = trainTrigram(tokens, vocab);
  const contexts: number[][] = [[]];
  for (let a = 0; a < vocab; a++) {
    contexts.push([a]);
    for (let b = 0; b < vocab; b++) contexts.push([a, b], [5, a, b]);
  }
  for (const context of contexts) {
    let sum = 0;
    for (let token = 0; token < vocab; token++) {
      const logP = model.logProbability(context, token);
      assert(logP < 0 && Number.isFinite(logP), `ln p(${token} | ${context}) = ${logP}`);
      sum += Math.exp(logP);
    }
    assertAlmostEquals(sum, 1, 1e-12, `context ${context}`);
  }
});

Deno.test("with enough text it finds a second-order source, far below a unigram", () => {
  for (const seed of [1, 2, 3]) {
    const vocab = 10,
      source = secondOrder(seed, vocab),
      train = source.draw(60_000),
      test = source.draw(10_000);
    const perplexity = trainTrigram(train, vocab).perplexity(test), exact = Math.exp(source.entropy(test));
    const counts = new Float64Array(vocab).fill(1);
    for (const id of train) counts[id]++;
    const total = counts.reduce((a, b) => a + b);
    const unigram = Math.exp(-test.reduce((sum, id) => sum + Math.log(counts[id] / total), 0) / test.length);
    const report = `seed ${seed}: exact ${exact}, trigram ${perplexity}, unigram ${unigram}`;
    assert(perplexity < exact * 1.02 && perplexity > exact * 0.98, report);
    assert(perplexity < unigram * 0.75, report);
  }
});

Deno.test("where the past says nothing it is no worse than a unigram", () => {
  const random = new Random(7, "test/independent");
  const draw = (n: number): Uint16Array =>
    Uint16Array.from({ length: n }, () => Math.floor(50 * random.next() ** 3));
  const train = draw(20_000), test = draw(5000), counts = new Float64Array(50).fill(1);
  for (const id of train) counts[id]++;
  const unigram = Math.exp(-test.reduce((sum, id) => sum + Math.log(counts[id] / 20_050), 0) / test.length);
  assert(trainTrigram(train, 50).perplexity(test) < unigram * 1.03);
});

Deno.test("perplexity is the mean of the log probabilities", () => {
  const tokens = secondOrder(4, 8).draw(500), model = trainTrigram(tokens, 8);
  const test = [3, 1, 4, 1, 5, 7, 2, 6], text = Uint16Array.from(test);
  const mean =
    test.slice(1).reduce((sum, token, i) => sum + model.logProbability(test.slice(0, i + 1), token), 0) / 7;
  assertAlmostEquals(model.perplexity(text), Math.exp(-mean), 1e-9);
});

Deno.test("it refuses what it cannot fit", () => {
  const tokens = secondOrder(1, 9).draw(100);
  assertThrows(() => trainTrigram(tokens.subarray(0, 19), 9), RangeError, "to 19 tokens");
  assertThrows(
    () => trainTrigram(tokens, Math.max(...tokens)),
    RangeError,
    "is not below the vocabulary size",
  );
  assertThrows(() => trainTrigram(tokens, 208_064), RangeError, "at most 208,063");
  for (const heldOut of [0, 1, 0.001, NaN]) {
    assertThrows(() => trainTrigram(tokens, 9, { heldOut }), RangeError);
  }
  assertThrows(() => trainTrigram(tokens, 9).perplexity(tokens.subarray(0, 1)), RangeError, "it takes two");
});
