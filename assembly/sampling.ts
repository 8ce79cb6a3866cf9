// The next token from logits, and what is fed to the run after it. Limits are found by their bits instead of by sorting:
// a float's order is that of an integer key, and a threshold is built from the highest bit down.

import { exp, hiddenZero, loadPartial, storePartial } from "./simd";

// @ts-ignore: decorator
@inline
const LEAST: u32 = 0x007fffff; // the key of -infinity
// @ts-ignore: decorator
@inline
const MOST: u32 = 0xff800000; // the key of infinity

/** Integers in the order of floats, both zeros the same; NaN comes above all. */
// @ts-ignore: decorator
@inline
function keyAt(p: usize): u32 {
  const bits = load<u32>(p);
  if ((bits & 0x7fffffff) > 0x7f800000) return u32.MAX_VALUE;
  if (bits << 1 == 0) return 0x80000000;
  return bits >> 31 ? ~bits : bits | 0x80000000;
}

/** How many of n keys are no less than `key`. */
function countFrom(logits: usize, n: i32, key: u32): i32 {
  let count = 0;
  for (let i = 0; i < n; i++) count += i32(keyAt(logits + (<usize>i << 2)) >= key);
  return count;
}

/** The sum of the weights of keys no less than `key`. */
function massFrom(logits: usize, weights: usize, n: i32, key: u32): f64 {
  let mass: f64 = 0;
  for (let i = 0; i < n; i++) {
    const at = <usize>i << 2;
    if (keyAt(logits + at) >= key) mass += <f64>load<f32>(weights + at);
  }
  return mass;
}

/** The weight of the first token with a key; there is one. */
function weightOf(logits: usize, weights: usize, n: i32, key: u32): f64 {
  let i = 0;
  while (i < n - 1 && keyAt(logits + (<usize>i << 2)) != key) i++;
  return <f64>load<f32>(weights + (<usize>i << 2));
}

/**
 * A token for each row. logits (B,R), settings (3): temperature, top-k, top-p; chances (B); tokens (B) i32. Workspace: V
 * floats. Rows: B.
 */
export function sampleTokens(
  logits: usize, settings: usize, chances: usize, tokens: usize, weights: usize,
  B: i32, R: i32, V: i32,
  pass: i32, begin: i32, end: i32,
): void {
  for (let b = begin; b < end; b++) {
    const row = logits + (<usize>b * <usize>R << 2);
    store<i32>(tokens + (<usize>b << 2), sampleRow(row, settings, load<f32>(chances + (<usize>b << 2)), weights, V));
  }
}

function sampleRow(logits: usize, settings: usize, chance: f32, weights: usize, V: i32): i32 {
  let most: u32 = 0, first = 0;
  for (let i = 0; i < V; i++) {
    const key = keyAt(logits + (<usize>i << 2));
    if (key > most) most = key, first = i;
  }
  if (most <= LEAST || most >= MOST) return -1;
  const temperature = load<f32>(settings), topK = load<f32>(settings, 4), topP = <f64>load<f32>(settings, 8);
  if (temperature == 0) return first;

  const top = f32x4.splat(load<f32>(logits + (<usize>first << 2))), zero = hiddenZero();
  const divisor = f32x4.splat(max<f32>(temperature, 1e-37));
  for (let i = 0; i < V; i += 4) {
    const at = <usize>i << 2;
    const x = f32x4.div(f32x4.sub(loadPartial(logits + at, V - i), top), divisor);
    storePartial(weights + at, exp(x, zero), V - i);
  }
  // Kept are keys above `edge`, and the first `ties` of those at it.
  let edge: u32 = 0, ties = 0;
  if (topK < <f32>V) {
    const k = <i32>topK;
    for (let bit: u32 = 0x80000000; bit != 0; bit >>= 1) {
      if (countFrom(logits, V, edge | bit) >= k) edge |= bit;
    }
    ties = k - countFrom(logits, V, edge + 1);
  }
  if (topP < 1) {
    const level = ties > 0 ? <f64>ties * weightOf(logits, weights, V, edge) : 0;
    const wanted = topP * (massFrom(logits, weights, V, edge + 1) + level);
    let low: u32 = 0;
    for (let bit: u32 = 0x80000000; bit != 0; bit >>= 1) {
      if ((low | bit) <= edge || massFrom(logits, weights, V, low | bit) >= wanted) low |= bit;
    }
    const missing = wanted - massFrom(logits, weights, V, low + 1);
    const needed = <i32>min<f64>(<f64>V, max<f64>(1, ceil<f64>(missing / weightOf(logits, weights, V, low))));
    ties = low == edge ? min(ties, needed) : needed;
    edge = low;
  }

  let total: f64 = 0, left = ties;
  for (let i = 0; i < V; i++) {
    const at = <usize>i << 2, key = keyAt(logits + at);
    if (key < edge || (key == edge && left-- <= 0)) store<f32>(weights + at, 0);
    total += <f64>load<f32>(weights + at);
  }
  const target = <f64>chance * total;
  let sum: f64 = 0, token = first;
  for (let i = 0; i < V && sum <= target; i++) {
    const weight = load<f32>(weights + (<usize>i << 2));
    if (weight > 0) token = i;
    sum += <f64>weight;
  }
  return token;
}

/**
 * ids (B,1,2), extents (B,2) and the positions that follow (B) from given (B,2) or, where that is -1, tokens (B) and
 * positions (B); all i32. `next` may be `positions`. Rows: 1.
 */
export function nextInputs(
  given: usize, tokens: usize, positions: usize, ids: usize, extents: usize, next: usize,
  B: i32, first: i32, context: i32,
  pass: i32, begin: i32, end: i32,
): void {
  if (begin == end) return;
  for (let b = 0; b < B; b++) {
    const at = <usize>b << 2, pair = at << 1, token = load<i32>(given + pair), place = load<i32>(given + pair, 4);
    const position = min(place < 0 ? load<i32>(positions + at) : place, context - 1);
    store<i32>(ids + pair, max(0, token < 0 ? load<i32>(tokens + at) : token));
    store<i32>(ids + pair, first + position, 4);
    store<i32>(extents + pair, position);
    store<i32>(extents + pair, 1, 4);
    store<i32>(next + at, position + 1);
  }
}
