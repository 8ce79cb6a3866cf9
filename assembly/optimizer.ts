// The update of flat pages of parameters: the sum of squared gradients for clipping by global norm, and Adam with
// decoupled decay in one pass over memory. Which parameter lies where is told by a table of segments; step size, decay
// and whether a group is trained come from the step block.

import { loadPartial, madd, storePartial } from "./simd";
import { blockStart, dot64 } from "./flat";

/**
 * y[0] = sum of x[i]², within 5e-7 of itself. Pass 0, rows ceil(n/16384): one f64 partial sum a row into scratch. Pass 1,
 * one row: their sum, in order.
 */
export function sumSquares(x: usize, y: usize, scratch: usize, n: i32, pass: i32, begin: i32, end: i32): void {
  if (pass == 0) {
    for (let row = begin; row < end; row++) {
      const first = row << 14, from = x + (<usize>first << 2);
      store<f64>(scratch + (<usize>row << 3), squares(from, min(16384, n - first)));
    }
  } else if (begin < end) {
    const rows = <i32>((<u32>n + 16383) >> 14);
    let total: f64 = 0;
    for (let row = 0; row < rows; row++) total += load<f64>(scratch + (<usize>row << 3));
    store<f32>(y, <f32>total);
  }
}

/** The sum of n squares: 64 at a time in f32 (a relative error of 4e-7 at most), these sums in f64. */
function squares(x: usize, n: i32): f64 {
  let low = f64x2.splat(0), high = low;
  for (; n >= 64; n -= 64, x += 256) {
    let s0 = square(x), s1 = square(x + 16), s2 = square(x + 32), s3 = square(x + 48);
    for (let at: usize = 64; at < 256; at += 64) {
      const y = x + at, x0 = v128.load(y), x1 = v128.load(y, 16), x2 = v128.load(y, 32), x3 = v128.load(y, 48);
      s0 = madd(x0, x0, s0), s1 = madd(x1, x1, s1), s2 = madd(x2, x2, s2), s3 = madd(x3, x3, s3);
    }
    const s = f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3));
    low = f64x2.add(low, f64x2.promote_low_f32x4(s));
    high = f64x2.add(high, f64x2.promote_low_f32x4(v128.shuffle<f32>(s, s, 2, 3, 2, 3)));
  }
  const s = f64x2.add(low, high);
  return f64x2.extract_lane(s, 0) + f64x2.extract_lane(s, 1) + dot64(x, x, n);
}

// @ts-ignore: decorator
@inline
function square(x: usize): v128 {
  const v = v128.load(x);
  return f32x4.mul(v, v);
}

/**
 * One Adam step on a page of n floats, p, g, m, v (n). segments (S,3) i32 = [begin, end, group], sorted, begins
 * multiples of 64; groups (G,4) f32 = [step size a, decay l2, active, factor f]; norm2 (1) = squared global norm of f g.
 * Where active is not 0: g' = g * (f * maxNorm / max(norm, maxNorm)) (g' = f g if maxNorm <= 0), m = b1 m + rest1 g',
 * v = b2 v + rest2 g'², p -= a (m / (sqrt(v) + eps) + l2 p); rest1 and rest2 are 1-b1 and 1-b2 as the host rounds them from
 * float64. g becomes 0 everywhere, also between segments, where p, m and v stay. If the norm is not finite they stay
 * too, so that one bad batch costs its update and nothing else. Rows: blocks of 1024.
 */
export function adam(
  segments: usize, groups: usize, norm2: usize, p: usize, g: usize, m: usize, v: usize,
  n: i32, S: i32, beta1Bits: i32, rest1Bits: i32, beta2Bits: i32, rest2Bits: i32, epsBits: i32, maxNormBits: i32,
  pass: i32, begin: i32, end: i32,
): void {
  const first = blockStart(begin, n), stop = blockStart(end, n);
  if (first >= stop) return;
  const b1 = reinterpret<f32>(beta1Bits), b2 = reinterpret<f32>(beta2Bits);
  const c1 = reinterpret<f32>(rest1Bits), c2 = reinterpret<f32>(rest2Bits), eps = reinterpret<f32>(epsBits);
  const maxNorm = reinterpret<f32>(maxNormBits), norm = sqrt<f32>(load<f32>(norm2));
  const used = norm < Infinity ? S : 0; // no segment where the norm is infinite or NaN
  const clip = maxNorm > 0 ? maxNorm / max<f32>(norm, maxNorm) : <f32>1;
  for (let s = firstSegment(segments, used, first); s < used; s++) {
    const segment = segments + <usize>s * 12, group = groups + (<usize>load<u32>(segment, 8) << 4);
    const from = max(first, load<i32>(segment)), to = min(stop, load<i32>(segment, 4));
    if (from >= stop) break;
    if (from < to && load<f32>(group, 8) != 0) {
      const factor = clip * load<f32>(group, 12);
      update(p, g, m, v, from, to, b1, c1, b2, c2, eps, factor, load<f32>(group), load<f32>(group, 4));
    }
  }
  memory.fill(g + (<usize>first << 2), 0, <usize>(stop - first) << 2);
}

/** The first segment that ends after `element`, or S. */
function firstSegment(segments: usize, S: i32, element: i32): i32 {
  let low = 0, high = S;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (load<i32>(segments + <usize>middle * 12, 4) > element) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Adam on elements from..to, which lie in one segment. */
function update(
  p: usize, g: usize, m: usize, v: usize, from: i32, to: i32,
  b1: f32, c1: f32, b2: f32, c2: f32, eps: f32, factor: f32, a: f32, l2: f32,
): void {
  const keep1 = f32x4.splat(b1), keep2 = f32x4.splat(b2), new1 = f32x4.splat(c1), new2 = f32x4.splat(c2);
  const factors = f32x4.splat(factor), epss = f32x4.splat(eps), step = f32x4.splat(-a), decay = f32x4.splat(l2);
  for (let i = from; i < to; i += 4) {
    const at = <usize>i << 2, rest = to - i;
    const grad = f32x4.mul(loadPartial(g + at, rest), factors), weight = loadPartial(p + at, rest);
    const m1 = madd(grad, new1, f32x4.mul(loadPartial(m + at, rest), keep1));
    const v1 = madd(f32x4.mul(grad, grad), new2, f32x4.mul(loadPartial(v + at, rest), keep2));
    const change = f32x4.div(m1, f32x4.add(f32x4.sqrt(v1), epss));
    storePartial(m + at, m1, rest);
    storePartial(v + at, v1, rest);
    storePartial(p + at, madd(step, madd(decay, weight, change), weight), rest);
  }
}

/**
 * Takes the loss scale out of the squared norm (1) and of the step block (G,4), whose factors are divided by it, and gives
 * the next scale (1) and count of good updates (1) in place: doubled after `interval` of them in a row, up to 2^24; halved
 * where the norm is not finite, down to 1. Rows: 1.
 */
export function unscale(
  squared: usize, groups: usize, norm: usize, block: usize, scale: usize, streak: usize,
  G: i32, interval: i32, pass: i32, begin: i32, end: i32,
): void {
  if (begin >= end) return;
  const by = load<f32>(scale), given = load<f32>(squared);
  const good: f32 = isFinite(given) ? load<f32>(streak) + 1 : 0, grows = good >= <f32>interval;
  store<f32>(norm, given / by / by);
  for (let at: usize = 0; at < <usize>G << 4; at += 16) {
    v128.store(block + at, v128.load(groups + at));
    store<f32>(block + at, load<f32>(groups + at, 12) / by, 12);
  }
  store<f32>(streak, grows ? 0 : good);
  store<f32>(scale, good == 0 ? max<f32>(by / 2, 1) : grows ? min<f32>(2 * by, 16777216) : by);
}
