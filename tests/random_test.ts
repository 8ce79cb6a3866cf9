// Random numbers: Threefry's published answers, and of `Random` what every user relies on: range, moments, streams that
// have nothing to do with each other, a shuffle that loses nothing, and the same numbers for the same seed.

import { assert, assertAlmostEquals, assertEquals, assertNotEquals } from "@std/assert";
import { Random, streamOf, threefry } from "../src/core/random.ts";

Deno.test("threefry-2x32 with 13 rounds gives the known answers", () => {
  assertEquals(threefry(0, 0, 0, 0), [0x9d1c5ec6, 0x8bd50731]);
  assertEquals(threefry(0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff), [0xfd36d048, 0x2d17272c]);
  assertEquals(threefry(0x13198a2e, 0x03707344, 0x243f6a88, 0x85a308d3), [0xba3e4725, 0xf27d669e]);
  assertEquals(threefry(-1, -1, -1, -1), [0xfd36d048, 0x2d17272c], "signed words are the same words");
});

Deno.test("a change of one bit of key or counter changes about half of the output bits", () => {
  let total = 0;
  for (let word = 0; word < 4; word++) {
    for (let bit = 0; bit < 32; bit++) {
      const input: [number, number, number, number] = [1, 2, 3, 4];
      const before = threefry(...input);
      input[word] ^= 1 << bit;
      threefry(...input).forEach((after, i) => total += bits(after ^ before[i]));
    }
  }
  assertAlmostEquals(total / 128, 32, 1.5);
});

const bits = (n: number): number => (n >>> 0).toString(2).replaceAll("0", "").length;
const draw = (n: number, next: () => number): number[] => Array.from({ length: n }, next);
const moment = (values: readonly number[], power: number): number =>
  values.reduce((sum, value) => sum + value ** power, 0) / values.length;

Deno.test("next is uniform on [0, 1)", () => {
  const random = new Random(1, "uniform"), values = draw(40_000, () => random.next());
  assert(values.every((value) => value >= 0 && value < 1));
  for (const power of [1, 2, 3]) assertAlmostEquals(moment(values, power), 1 / (power + 1), 0.008);
  const bins = new Array<number>(20).fill(0);
  for (const value of values) bins[Math.floor(value * 20)]++;
  const chi = bins.reduce((sum, n) => sum + (n - 2000) ** 2 / 2000, 0);
  assert(chi < 44, `chi-squared of 20 bins is ${chi}`); // 19 degrees of freedom, p = 0.001
});

Deno.test("below covers its range evenly", () => {
  const random = new Random(2, "below"), counts = new Array<number>(7).fill(0);
  for (const value of draw(14_000, () => random.below(7))) counts[value]++;
  assertEquals(counts.length, 7);
  for (const count of counts) assertAlmostEquals(count, 2000, 200);
});

Deno.test("normal has the moments of N(0, 1), and its two halves are not related", () => {
  const random = new Random(3, "normal"), values = draw(40_000, () => random.normal());
  [0, 1, 0, 3].forEach((expected, i) => assertAlmostEquals(moment(values, i + 1), expected, 0.15));
  const pairs = values.slice(0, -1).map((value, i) => value * values[i + 1]);
  assertAlmostEquals(moment(pairs, 1), 0, 0.03);
  const outside = values.filter((value) => Math.abs(value) > 1.959964).length / values.length;
  assertAlmostEquals(outside, 0.05, 0.005);
});

Deno.test("filling an array gives the numbers of as many single draws", () => {
  for (const [before, size] of [[0, 0], [0, 1], [0, 8], [0, 9], [1, 8], [1, 9], [2, 5]]) {
    const [one, many] = [new Random(9, "fill"), new Random(9, "fill")];
    for (const random of [one, many]) for (let i = 0; i < before; i++) random.normal();
    assertEquals(
      [...many.fillNormal(new Float32Array(size), 0.02)],
      draw(size, () => Math.fround(0.02 * one.normal())),
    );
    assertEquals([many.normal(), many.next()], [one.normal(), one.next()], `after ${before} and ${size}`);
  }
});

Deno.test("shuffle is a permutation, in place, and every item goes everywhere", () => {
  const random = new Random(4, "shuffle"),
    seen = Array.from({ length: 5 }, () => new Array<number>(5).fill(0));
  for (let i = 0; i < 5000; i++) {
    const items = [0, 1, 2, 3, 4], shuffled = random.shuffle(items);
    assert(shuffled === items);
    assertEquals(shuffled.toSorted(), [0, 1, 2, 3, 4]);
    shuffled.forEach((item, place) => seen[item][place]++);
  }
  for (const count of seen.flat()) assertAlmostEquals(count, 1000, 150);
  assertEquals(random.shuffle([]), []);
});

Deno.test("seed and stream decide the numbers; different ones share none", () => {
  const take = (seed: number, stream: string) => {
    const random = new Random(seed, stream);
    return draw(100, () => random.next());
  };
  assertEquals(take(5, "a"), take(5, "a"));
  const all = [take(5, "a"), take(5, "b"), take(6, "a"), take(6, "b")].flat();
  assertEquals(new Set(all).size, all.length);
  const a = new Random(7, "h0"), b = new Random(7, "h1");
  const products = draw(20_000, () => (a.next() - 0.5) * (b.next() - 0.5));
  assertAlmostEquals(moment(products, 1), 0, 0.003);
});

Deno.test("streams are FNV-1a over UTF-8", () => {
  assertEquals(streamOf(""), 0x811c9dc5);
  assertEquals(streamOf("a"), 0xe40c292c);
  assertEquals(streamOf("foobar"), 0xbf9cf968);
  assertNotEquals(streamOf("é"), streamOf("e"));
});
