// Dropout with recomputed masks. A thread has one Threefry block, which is four elements, where the number of elements
// allows; otherwise one element. Windows begin at multiples of 64 elements, so that no block is cut.

import type { dropouts as family } from "../../ops/dropout.ts";
import { elementwise, type Kernel, read, write } from "./kernel.ts";
import { KEEP_SCALE } from "./random.ts";

const RNG = { ...read("rng", 1, { as: "u32" }), whole: true };
const RNG_WORDS = "vec2u(rng[0], rng[1]), p.limit, p.stream";

const dropout: Kernel = ({ dims: [n, limit, stream], limits }) => {
  const sizes = { limit, stream }, name = "dropout";
  if (n % 4 !== 0) {
    return elementwise({
      name,
      n,
      tensors: [read("x", 0), RNG, write("y", 2)],
      functions: KEEP_SCALE,
      body: `let e = p.start + i;
  y[i] = x[i] * keepScale(${RNG_WORDS}, e >> 2u, e & 3u);`,
      sizes,
    }, limits);
  }
  return elementwise({
    name,
    n: n / 4,
    bytes: 16,
    tensors: [read("x", 0, { as: "vec4f" }), RNG, write("y", 2, { as: "vec4f" })],
    functions: KEEP_SCALE,
    body: `y[i] = x[i] * keepScale4(${RNG_WORDS}, p.start + i);`,
    sizes,
  }, limits);
};

const sharedDropout: Kernel = ({ dims: [N, C, shared, limit, stream], limits }) =>
  elementwise({
    name: "sharedDropout",
    n: N * C,
    tensors: [read("x", 0), RNG, write("y", 2)],
    functions: KEEP_SCALE,
    body: `let at = p.start + i;
  let e = at / p.C / p.rows * p.C + at % p.C;
  y[i] = x[i] * keepScale(${RNG_WORDS}, e >> 2u, e & 3u);`,
    sizes: { C, rows: shared, limit, stream },
  }, limits);

/** The family of src/ops/dropout.ts. */
export const dropouts = { dropout, sharedDropout } satisfies Record<keyof typeof family, Kernel>;
