// Dropout with recomputed masks. A thread has one Threefry block, which is four elements, where the number of elements
// allows; otherwise one element. Windows begin at multiples of 64 elements, so that no block is cut.

import type { dropouts as family } from "../../ops/dropout.ts";
import { elementwise, type Kernel, read, write } from "./kernel.ts";
import { THREEFRY } from "./random.ts";

const RNG = { ...read("rng", 1, { as: "u32" }), whole: true };
const WORDS = `${THREEFRY}
fn words(seed: u32, draw: u32, block: u32) -> vec2u { return threefry(vec2u(seed, p.stream), vec2u(block, draw)); }
fn bits(words: vec2u, lane: u32) -> u32 {
  return (select(words.x, words.y, lane >= 2u) >> (16u * (lane & 1u))) & 0xffffu;
}`;

const dropout: Kernel = ({ dims: [n, limit, stream], limits }) => {
  const sizes = { limit, stream }, name = "dropout";
  if (n % 4 !== 0) {
    return elementwise({
      name,
      n,
      tensors: [read("x", 0), RNG, write("y", 2)],
      functions: WORDS,
      body: `let e = p.start + i;
  y[i] = x[i] * keepScale(bits(words(rng[0], rng[1], e >> 2u), e & 3u), p.limit);`,
      sizes,
    }, limits);
  }
  return elementwise({
    name,
    n: n / 4,
    bytes: 16,
    tensors: [read("x", 0, { as: "vec4f" }), RNG, write("y", 2, { as: "vec4f" })],
    functions: WORDS,
    body: `let w = words(rng[0], rng[1], p.start + i);
  y[i] = x[i] * vec4f(
    keepScale(bits(w, 0u), p.limit), keepScale(bits(w, 1u), p.limit),
    keepScale(bits(w, 2u), p.limit), keepScale(bits(w, 3u), p.limit),
  );`,
    sizes,
  }, limits);
};

const sharedDropout: Kernel = ({ dims: [N, C, shared, limit, stream], limits }) =>
  elementwise({
    name: "sharedDropout",
    n: N * C,
    tensors: [read("x", 0), RNG, write("y", 2)],
    functions: WORDS,
    body: `let at = p.start + i;
  let e = at / p.C / p.rows * p.C + at % p.C;
  y[i] = x[i] * keepScale(bits(words(rng[0], rng[1], e >> 2u), e & 3u), p.limit);`,
    sizes: { C, rows: shared, limit, stream },
  }, limits);

/** The family of src/ops/dropout.ts. */
export const dropouts = { dropout, sharedDropout } satisfies Record<keyof typeof family, Kernel>;
