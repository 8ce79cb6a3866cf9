// Multi-head attention, its gradient, and attention over a cache of keys and values. T x T is never stored. The forward
// kernels keep scores as [key][query] for a block of 8 queries, so that softmax is vertical vector code; the gradient
// works on tiles of 16 queries by 32 keys. All products are the tiles of tiles.ts on operands packed in the workspace. A
// head's packed keys and values serve all query blocks of a thread's share; they depend on inputs only, so shares do not
// change any bit. Dropout acts on probabilities; random.ts makes its mask.
//
// Layout everywhere: C = H D; q, k, v of head h are columns h D, C + h D and 2C + h D of a row of qkv. In workspaces
// W = D rounded up to 8, T4 and T8 = T rounded up to 4 and 8.

import { keep16, keepA, keepB, keepC, keepD, keepScale, thirdKey } from "./random";
import { expPairs, ln, loadPartial, madd, max as largest, storePartial, sum } from "./simd";
import { pack, packPanels, packTransposed, product, storeTransposed, unpack, zeroRows } from "./tiles";

/** 1 / sqrt(D), as every kernel here rounds it. */
// @ts-ignore: decorator
@inline
function scoreScale(D: i32): f32 {
  return <f32>(1 / sqrt<f64>(<f64>D));
}

/** Packs rows begin..end of a head: k as panels of four keys, v as rows, zeros up to a multiple of four rows. */
function packKeys(
  k: usize, v: usize, ld: usize, keys: usize, values: usize, width: i32, D: i32, begin: i32, end: i32,
): void {
  const bytes = <usize>width << 2;
  begin &= ~3; // a panel that was begun earlier is written anew
  packPanels(k, ld, keys, width, 4, D, begin, end);
  pack(v + <usize>begin * ld, ld, values + <usize>begin * bytes, width, D, end - begin, 1);
  memory.fill(values + <usize>end * bytes, 0, <usize>(-end & 3) * bytes);
}

/**
 * One block of `queries` (1 to 8) queries at positions `first`.. against packed keys 0..limit-1: out = softmax(q k) v,
 * and log sum exp of the scores to `lse` unless that is 0. `block` is the Threefry block of (key 0, first query), `step`
 * the blocks from key to key. work, in floats: transposed queries 8 W, output 8 W, 32 statistics, scores 8 T4.
 */
function attend(
  q: usize, ldq: usize, keys: usize, values: usize, out: usize, ldOut: usize, lse: usize, work: usize,
  D: i32, queries: i32, first: i32, limit: i32, causal: i32,
  rng: usize, threshold: i32, stream: i32, block: i32, step: i32,
): void {
  const width = (D + 7) & ~7, bytes = <usize>width << 2, n = (limit + 3) & ~3;
  const turned = work, sums = turned + (bytes << 3), stats = sums + (bytes << 3), scores = stats + 128;
  packTransposed(q, ldq, turned, width, 8, D, queries, scoreScale(D));
  product(keys, bytes << 2, 16, turned, 32, 32, scores, 32, n, 8, width, false);

  // Lane i sees keys up to last[i]; only the rows from here on have a lane that does not.
  const none = f32x4.splat(-Infinity);
  let last0 = i32x4.splat(limit - 1), last1 = last0, hidden = limit;
  if (causal) {
    last0 = i32x4.min_s(last0, i32x4.add(i32x4.splat(first), i32x4(0, 1, 2, 3)));
    last1 = i32x4.min_s(last1, i32x4.add(i32x4.splat(first), i32x4(4, 5, 6, 7)));
    hidden = min(limit, first + 1);
  }
  for (let key = hidden; key < n; key++) {
    const at = scores + (<usize>key << 5), k = i32x4.splat(key);
    v128.store(at, v128.bitselect(v128.load(at), none, i32x4.ge_s(last0, k)));
    v128.store(at, v128.bitselect(v128.load(at, 16), none, i32x4.ge_s(last1, k)), 16);
  }

  const stop = scores + (<usize>n << 5);
  let m0 = none, m1 = none;
  for (let at = scores; at < stop; at += 32) {
    m0 = f32x4.pmax(m0, v128.load(at)), m1 = f32x4.pmax(m1, v128.load(at, 16));
  }
  expPairs(true, scores, scores, 16, 32, n, m0, m1, stats);
  const l0 = v128.load(stats), l1 = v128.load(stats, 16);
  if (threshold != 0) {
    const seed = load<i32>(rng), key0 = i32x4.splat(seed), key1 = i32x4.splat(stream);
    const key2 = i32x4.splat(thirdKey(seed, stream)), draw = i32x4.splat(load<i32>(rng, 4));
    const bound = i16x8.splat(<i16>threshold), twoKeys = i32x4.splat(step << 1);
    let counter = i32x4(0, 1, 0, 1);
    counter = i32x4.replace_lane(i32x4.replace_lane(counter, 2, step), 3, step + 1);
    counter = i32x4.add(counter, i32x4.splat(block));
    for (let at = scores; at < stop; at += 64) {
      const keep = keep16(key0, key1, key2, counter, draw, bound);
      counter = i32x4.add(counter, twoKeys);
      v128.store(at, v128.and(v128.load(at), keepA(keep)));
      v128.store(at, v128.and(v128.load(at, 16), keepB(keep)), 16);
      v128.store(at, v128.and(v128.load(at, 32), keepC(keep)), 32);
      v128.store(at, v128.and(v128.load(at, 48), keepD(keep)), 48);
    }
  }

  // 64 keys at a time: their values stay in the first-level cache for all tiles.
  for (let key = 0; key < n; key += 64) {
    const p = scores + (<usize>key << 5), v = values + <usize>key * bytes;
    product(p, 16, 32, v, 32, bytes, sums, bytes, 8, width, min(64, n - key), key > 0);
  }
  const scale = f32x4.splat(keepScale(threshold));
  v128.store(stats, f32x4.div(scale, l0)), v128.store(stats, f32x4.div(scale, l1), 16);
  unpack(sums, width, out, ldOut, D, queries, stats, 4);
  if (lse) {
    v128.store(stats, m0), v128.store(stats, m1, 16), v128.store(stats, l0, 32), v128.store(stats, l1, 48);
    for (let i: usize = 0; i < <usize>queries << 2; i += 4) {
      store<f32>(lse + i, <f32>(<f64>load<f32>(stats + i) + ln(load<f32>(stats + i, 32))));
    }
  }
}

/**
 * y = dropout(softmax(q kᵀ / sqrt D)) v per head; lse = log sum exp of the scaled scores, before dropout. qkv (B,T,3C),
 * lengths (B) i32, rng (2) i32 = [seed, draw], y (B,T,C), lse (B,H,T). Keys and queries at or past a sequence's length
 * are dead: their y and lse are 0. If `causal`, query t sees keys 0..t. Probability (b,h,key,query) is element
 * ((b H + h) T + key) T16 + query of the dropout mask, T16 = T rounded up to 16. Rows: B H ceil(T/8) query blocks.
 * Workspace in floats: keys T4 W, values T4 W, then `attend`'s. Relative error of lse and y about 1e-6.
 */
export function attention(
  qkv: usize, lengths: usize, rng: usize, y: usize, lse: usize, workspace: usize,
  B: i32, T: i32, H: i32, D: i32, causal: i32, threshold: i32, stream: i32,
  pass: i32, begin: i32, end: i32,
): void {
  const blocks = (T + 7) >> 3, width = (D + 7) & ~7, slab = <usize>((T + 3) & ~3) * (<usize>width << 2);
  const keys = workspace, values = keys + slab, work = values + slab, step = ((T + 15) & ~15) >> 2;
  const ldOut = <usize>(H * D) << 2, ld = ldOut * 3;
  let head = -1, packed = 0;
  for (let row = begin; row < end; row++) {
    const bh = row / blocks, b = bh / H, first = (row - bh * blocks) << 3, column = <usize>((bh - b * H) * D) << 2;
    const live = min(T, load<i32>(lengths + (<usize>b << 2)));
    const count = min(8, T - first), queries = max(0, min(count, live - first));
    const from = qkv + <usize>b * <usize>T * ld + column;
    const out = y + (<usize>b * <usize>T + <usize>first) * ldOut + column;
    const stats = lse + ((<usize>bh * <usize>T + <usize>first) << 2);
    if (bh != head) head = bh, packed = 0;
    if (queries > 0) {
      const limit = causal ? first + queries : live;
      if (packed < limit) {
        packKeys(from + ldOut, from + (ldOut << 1), ld, keys, values, width, D, packed, limit);
        packed = limit;
      }
      attend(
        from + <usize>first * ld, ld, keys, values, out, ldOut, stats, work,
        D, queries, first, limit, causal, rng, threshold, stream, bh * T * step + (first >> 2), step,
      );
    }
    zeroRows(out + <usize>queries * ldOut, ldOut, D, count - queries);
    memory.fill(stats + (<usize>queries << 2), 0, <usize>(count - queries) << 2);
  }
}

/** Per query of a block: lse, and delta = dy · y. Queries past `queries` get lse = +inf, so that their p is 0. */
function blockStats(lse: usize, dy: usize, y: usize, ld: usize, to: usize, D: i32, queries: i32): void {
  for (let i = 0; i < 16; i++, to += 4, dy += ld, y += ld) {
    let s = f32x4.splat(0);
    if (i < queries) {
      for (let d = 0; d < D; d += 4) {
        const at = <usize>d << 2;
        s = madd(loadPartial(dy + at, D - d), loadPartial(y + at, D - d), s);
      }
    }
    store<f32>(to, i < queries ? load<f32>(lse + (<usize>i << 2)) : Infinity);
    store<f32>(to, sum(s), 64);
  }
}

/**
 * Four keys of one query: probabilities become dropped ones, `dp` the gradient of the scores, which is returned. `stats`
 * is where the query's log sum is.
 */
// @ts-ignore: decorator
@inline
function scoreGrad(s: usize, dp: usize, stats: usize, visible: v128, keep: v128, scale: v128): v128 {
  const p = v128.and(v128.load(s), visible);
  const d = f32x4.mul(p, f32x4.sub(v128.and(f32x4.mul(v128.load(dp), scale), keep), v128.load32_splat(stats, 64)));
  v128.store(s, v128.and(f32x4.mul(p, scale), keep));
  v128.store(dp, d);
  return d;
}

/** Lanes of query j of four in a `keep16` mask whose blocks are four keys. */
// @ts-ignore: decorator
@inline
function keepQuery(mask: v128, j: i32): v128 {
  return i32x4.shr_s(i32x4.shl(mask, 24 - (j << 3)), 31);
}

/**
 * The middle of the gradient, 16 queries by `size` keys (multiple of 8, at most 32), rows of 32 floats: from scores p
 * and dp = dy vᵀ to dropped probabilities p and score gradients dp, the latter also transposed into turned[key][16].
 * `last` is the last key that query 0 sees, `slope` 1 if query i sees i more; none sees `limit`. `block`, `step` as in
 * `attend`, for the first of these keys.
 */
function scoreGrads(
  p: usize, dp: usize, turned: usize, stats: usize, size: i32, key: i32, last: i32, slope: i32, limit: i32,
  rng: usize, threshold: i32, stream: i32, block: i32, step: i32,
): void {
  const seed = load<i32>(rng), key0 = i32x4.splat(seed), key1 = i32x4.splat(stream);
  const key2 = i32x4.splat(thirdKey(seed, stream)), draw = i32x4.splat(load<i32>(rng, 4));
  const bound = i16x8.splat(<i16>threshold), scale = f32x4.splat(keepScale(threshold));
  const lanes = i32x4(0, 1, 2, 3), steps = i32x4.mul(lanes, i32x4.splat(step));
  for (let query = 0; query < 16; query += 2) {
    const s = p + (<usize>query << 7), at = stats + (<usize>query << 2);
    expPairs(true, s, s, 128, 16, size >> 2, v128.load32_splat(at), v128.load32_splat(at, 4), 0);
  }
  for (let query = 0; query < 16; query += 4, stats += 16) {
    const see = last + slope * query;
    const end0 = i32x4.splat(min(see, limit - 1)), end1 = i32x4.splat(min(see + slope, limit - 1));
    const end2 = i32x4.splat(min(see + 2 * slope, limit - 1)), end3 = i32x4.splat(min(see + 3 * slope, limit - 1));
    for (let i = 0; i < size; i += 4) {
      const at = (<usize>query << 7) + (<usize>i << 2), k = i32x4.add(i32x4.splat(key + i), lanes);
      let keep = i32x4.splat(-1);
      if (threshold != 0) {
        const blocks = i32x4.add(i32x4.splat(block + i * step + (query >> 2)), steps);
        keep = keep16(key0, key1, key2, blocks, draw, bound);
      }
      const s = p + at, d = dp + at;
      const d0 = scoreGrad(s, d, stats, i32x4.ge_s(end0, k), keepQuery(keep, 0), scale);
      const d1 = scoreGrad(s + 128, d + 128, stats + 4, i32x4.ge_s(end1, k), keepQuery(keep, 1), scale);
      const d2 = scoreGrad(s + 256, d + 256, stats + 8, i32x4.ge_s(end2, k), keepQuery(keep, 2), scale);
      const d3 = scoreGrad(s + 384, d + 384, stats + 12, i32x4.ge_s(end3, k), keepQuery(keep, 3), scale);
      storeTransposed(turned + (<usize>i << 6) + (<usize>query << 2), 64, d0, d1, d2, d3);
    }
  }
}

/**
 * The gradient of `attention` with respect to qkv, from its inputs, y, lse and dy: all of dqkv (B,T,3C), zeros for dead
 * rows. Probabilities are recomputed from lse, 16 queries by 32 keys at a time, here as [query][key], so that four of
 * the five products read their first operand as it lies. Rows: B H. Workspace in floats: five
 * times T8 W (keys, values, both as panels of 8, keys as rows, dkeys, dvalues), five times 16 W (q, dy, both
 * transposed, dq), three times 512 (probabilities, their gradients, these transposed), 32 statistics.
 */
export function attentionGrad(
  qkv: usize, lengths: usize, rng: usize, y: usize, lse: usize, dy: usize, dqkv: usize, workspace: usize,
  B: i32, T: i32, H: i32, D: i32, causal: i32, threshold: i32, stream: i32,
  pass: i32, begin: i32, end: i32,
): void {
  const width = (D + 7) & ~7, bytes = <usize>width << 2, slab = <usize>((T + 7) & ~7) * bytes, rows16 = bytes << 4;
  const keys = workspace, values = keys + slab, keyRows = values + slab, dKeys = keyRows + slab, dValues = dKeys + slab;
  const q = dValues + slab, dOut = q + rows16, qTurned = dOut + rows16, dTurned = qTurned + rows16, dq = dTurned + rows16;
  const p = dq + rows16, dp = p + 2048, dpTurned = dp + 2048, stats = dpTurned + 2048;
  const ldOut = <usize>(H * D) << 2, ld = ldOut * 3, step = ((T + 15) & ~15) >> 2;
  for (let bh = begin; bh < end; bh++) {
    const b = bh / H, column = <usize>((bh - b * H) * D) << 2, start = <usize>b * <usize>T;
    const from = qkv + start * ld + column, k = from + ldOut, v = k + ldOut, to = dqkv + start * ld + column;
    const live = max(0, min(T, load<i32>(lengths + (<usize>b << 2))));
    packPanels(k, ld, keys, width, 8, D, 0, live);
    packPanels(v, ld, values, width, 8, D, 0, live);
    pack(k, ld, keyRows, width, D, live, 1);
    memory.fill(keyRows + <usize>live * bytes, 0, <usize>(-live & 7) * bytes);
    memory.fill(dKeys, 0, slab << 1);
    for (let first = 0; first < live; first += 16) {
      const queries = min(16, live - first), limit = causal ? first + queries : live, n = (limit + 7) & ~7;
      const rows = (start + <usize>first) * ldOut + column, query = from + <usize>first * ld;
      memory.fill(q, 0, rows16 << 1);
      pack(query, ld, q, width, D, queries, scoreScale(D));
      pack(dy + rows, ldOut, dOut, width, D, queries, 1);
      packTransposed(query, ld, qTurned, width, 16, D, queries, scoreScale(D));
      packTransposed(dy + rows, ldOut, dTurned, width, 16, D, queries, 1);
      blockStats(lse + ((<usize>bh * <usize>T + <usize>first) << 2), dy + rows, y + rows, ldOut, stats, D, queries);
      for (let key = 0; key < n; key += 32) {
        const size = min(32, n - key), offset = <usize>key * bytes;
        product(qTurned, 16, 64, keys + offset, bytes << 3, 32, p, 128, 16, size, width, false);
        product(dTurned, 16, 64, values + offset, bytes << 3, 32, dp, 128, 16, size, width, false);
        scoreGrads(
          p, dp, dpTurned, stats, size, key, causal ? first : limit - 1, causal ? 1 : 0, limit,
          rng, threshold, stream, (bh * T + key) * step + (first >> 2), step,
        );
        product(p, 16, 128, dOut, 32, bytes, dValues + offset, bytes, size, width, 16, true);
        product(dp, 16, 128, q, 32, bytes, dKeys + offset, bytes, size, width, 16, true);
        product(dpTurned, 16, 64, keyRows + offset, 32, bytes, dq, bytes, 16, width, size, key > 0);
      }
      store<f32>(stats, scoreScale(D));
      unpack(dq, width, to + <usize>first * ld, ld, D, queries, stats, 0);
    }
    store<f32>(stats, 1);
    unpack(dKeys, width, to + ldOut, ld, D, live, stats, 0);
    unpack(dValues, width, to + (ldOut << 1), ld, D, live, stats, 0);
    for (let part: usize = 0; part < 3; part++) zeroRows(to + <usize>live * ld + part * ldOut, ld, D, T - live);
  }
}

/** `attend` for one query, on the unpacked rows of the caches: nothing to share, so along D. work: T8 floats. */
function attendOne(q: usize, k: usize, v: usize, ld: usize, out: usize, scores: usize, D: i32, limit: i32): void {
  const scale = scoreScale(D), n = (limit + 7) & ~7, whole = D & ~15;
  let top = f32x4.splat(-Infinity);
  for (let key = 0; key < limit; key++, k += ld) {
    let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0, d = 0;
    for (; d < whole; d += 16) {
      const x = q + (<usize>d << 2), w = k + (<usize>d << 2);
      s0 = madd(v128.load(x), v128.load(w), s0), s1 = madd(v128.load(x, 16), v128.load(w, 16), s1);
      s2 = madd(v128.load(x, 32), v128.load(w, 32), s2), s3 = madd(v128.load(x, 48), v128.load(w, 48), s3);
    }
    for (; d < D; d += 4) {
      s0 = madd(loadPartial(q + (<usize>d << 2), D - d), loadPartial(k + (<usize>d << 2), D - d), s0);
    }
    store<f32>(scores + (<usize>key << 2), sum(f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3))) * scale);
  }
  for (let key = limit; key < n; key++) store<f32>(scores + (<usize>key << 2), -Infinity);
  for (let key = 0; key < n; key += 4) top = f32x4.pmax(top, v128.load(scores + (<usize>key << 2)));
  top = f32x4.splat(largest(top));
  const factor = f32x4.splat(<f32>1 / sum(expPairs(true, scores, scores, 16, 32, n >> 3, top, top, 0)));
  for (let d = 0; d < D; d += 16, v += 64, out += 64) {
    const c0 = D - d, c1 = max(0, c0 - 4), c2 = max(0, c0 - 8), c3 = max(0, c0 - 12);
    let o0 = f32x4.splat(0), o1 = o0, o2 = o0, o3 = o0, row = v;
    for (let key = 0; key < limit; key++, row += ld) {
      const p = v128.load32_splat(scores + (<usize>key << 2));
      o0 = madd(p, loadPartial(row, c0), o0), o1 = madd(p, loadPartial(row + 16, c1), o1);
      o2 = madd(p, loadPartial(row + 32, c2), o2), o3 = madd(p, loadPartial(row + 48, c3), o3);
    }
    storePartial(out, f32x4.mul(o0, factor), c0), storePartial(out + 16, f32x4.mul(o1, factor), c1);
    storePartial(out + 32, f32x4.mul(o2, factor), c2), storePartial(out + 48, f32x4.mul(o3, factor), c3);
  }
}

/** How many new tokens of a row are live; never more than the row holds or its cache has room for. */
function newTokens(extents: usize, b: i32, T: i32, N: i32): i32 {
  const offset = load<i32>(extents + (<usize>b << 3)), count = load<i32>(extents + (<usize>b << 3), 4);
  return offset < 0 ? 0 : max(0, min(count, min(T, N - offset)));
}

/**
 * Causal attention of T new tokens over caches of N. qkv (B,T,3C); extents (B,2) i32 = [offset, count]: the first
 * `count` tokens are live and stand at positions offset..offset+count-1; y (B,T,C), 0 for dead rows; caches (B,N,C).
 * Pass 0, rows B: the new k and v go into the caches, whose other rows stay. Pass 1, rows B H ceil(T/8) query blocks:
 * query i sees keys 0..offset+i. Workspace: as `attention`'s with N for T.
 */
export function cachedAttention(
  qkv: usize, extents: usize, y: usize, kCache: usize, vCache: usize, workspace: usize,
  B: i32, T: i32, N: i32, H: i32, D: i32,
  pass: i32, begin: i32, end: i32,
): void {
  const ldOut = <usize>(H * D) << 2, ld = ldOut * 3;
  if (pass == 0) {
    for (let b = begin; b < end; b++) {
      const offset = load<i32>(extents + (<usize>b << 3)), count = newTokens(extents, b, T, N);
      const cache = (<usize>b * <usize>N + <usize>offset) * ldOut, from = qkv + <usize>b * <usize>T * ld + ldOut;
      for (let i: usize = 0; i < <usize>count; i++) {
        memory.copy(kCache + cache + i * ldOut, from + i * ld, ldOut);
        memory.copy(vCache + cache + i * ldOut, from + i * ld + ldOut, ldOut);
      }
    }
    return;
  }
  const blocks = (T + 7) >> 3, width = (D + 7) & ~7, slab = <usize>((N + 3) & ~3) * (<usize>width << 2);
  const keys = workspace, values = keys + slab, work = values + slab;
  let head = -1, packed = 0;
  for (let row = begin; row < end; row++) {
    const bh = row / blocks, b = bh / H, first = (row - bh * blocks) << 3, column = <usize>((bh - b * H) * D) << 2;
    const offset = load<i32>(extents + (<usize>b << 3)), live = newTokens(extents, b, T, N);
    const count = min(8, T - first), queries = max(0, min(count, live - first)), limit = offset + first + queries;
    const cache = <usize>b * <usize>N * ldOut + column, start = <usize>b * <usize>T + <usize>first;
    const q = qkv + start * ld + column, out = y + start * ldOut + column;
    if (bh != head) head = bh, packed = 0;
    if (queries == 1) {
      attendOne(q, kCache + cache, vCache + cache, ldOut, out, work, D, limit);
    } else if (queries > 1) {
      packKeys(kCache + cache, vCache + cache, ldOut, keys, values, width, D, packed, limit);
      packed = limit;
      attend(q, ld, keys, values, out, ldOut, 0, work, D, queries, offset + first, limit, 1, 0, 0, 0, 0, 0);
    }
    zeroRows(out + <usize>queries * ldOut, ldOut, D, count - queries);
  }
}
