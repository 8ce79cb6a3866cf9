// Layer normalisation with the residual addition before it, and its gradients. Means and variances are over C, in two
// passes, the variance biased. Rows are those of the (R,C) input, except for the gain and bias gradients, which are
// shared out by columns.

import { loadPartial, madd, storePartial, sum } from "./simd";

/**
 * total = x + r; y = (total - mean) * rstd * g + b, with rstd = 1 / sqrt(variance + eps). x, r, total, y (R,C);
 * g, b (C); mean, rstd (R). `epsBits` is the f32 eps. Rows: R; total may be x or r.
 */
export function addLayerNorm(
  x: usize, r: usize, g: usize, b: usize, y: usize, total: usize, mean: usize, rstd: usize,
  R: i32, C: i32, epsBits: i32,
  pass: i32, begin: i32, end: i32,
): void {
  const bytes = <usize>C << 2, whole = bytes & ~15, rest = C & 3, scale = <f32>1 / <f32>C;
  const eps = reinterpret<f32>(epsBits), zero = f32x4.splat(0);
  for (let row = begin; row < end; row++) {
    const start = <usize>row * bytes, xs = x + start, rs = r + start, ts = total + start, ys = y + start;
    let s0 = zero, s1 = zero, at: usize = 0;
    for (; at + 32 <= whole; at += 32) {
      const t0 = f32x4.add(v128.load(xs + at), v128.load(rs + at));
      const t1 = f32x4.add(v128.load(xs + at, 16), v128.load(rs + at, 16));
      v128.store(ts + at, t0), v128.store(ts + at, t1, 16);
      s0 = f32x4.add(s0, t0), s1 = f32x4.add(s1, t1);
    }
    for (; at < bytes; at += 16) {
      const n = <i32>((bytes - at) >> 2), t = f32x4.add(loadPartial(xs + at, n), loadPartial(rs + at, n));
      storePartial(ts + at, t, n);
      s0 = f32x4.add(s0, t);
    }
    const mu = sum(f32x4.add(s0, s1)) * scale, center = f32x4.splat(mu);
    s0 = zero, s1 = zero, at = 0;
    for (; at + 32 <= whole; at += 32) {
      const t0 = f32x4.sub(v128.load(ts + at), center), t1 = f32x4.sub(v128.load(ts + at, 16), center);
      s0 = madd(t0, t0, s0), s1 = madd(t1, t1, s1);
    }
    if (at < whole) {
      const t = f32x4.sub(v128.load(ts + at), center);
      s0 = madd(t, t, s0), at += 16;
    }
    let squares = sum(f32x4.add(s0, s1));
    for (let i = 0; i < rest; i++) {
      const t = load<f32>(ts + at + (<usize>i << 2)) - mu;
      squares += t * t;
    }
    const inverse = <f32>1 / sqrt<f32>(squares * scale + eps), factor = f32x4.splat(inverse);
    for (at = 0; at < whole; at += 16) {
      const t = f32x4.mul(f32x4.sub(v128.load(ts + at), center), factor);
      v128.store(ys + at, madd(t, v128.load(g + at), v128.load(b + at)));
    }
    if (rest) {
      const t = f32x4.mul(f32x4.sub(loadPartial(ts + at, rest), center), factor);
      storePartial(ys + at, madd(t, loadPartial(g + at, rest), loadPartial(b + at, rest)), rest);
    }
    store<f32>(mean + (<usize>row << 2), mu);
    store<f32>(rstd + (<usize>row << 2), inverse);
  }
}

/**
 * dx = rstd * (e - mean(e) - xhat * mean(e * xhat)) with e = d * g and xhat = (total - mean) * rstd. d, total, dx (R,C);
 * g (C); mean, rstd (R). Rows: R; dx may be d.
 */
export function layerNormGrad(
  d: usize, total: usize, g: usize, mean: usize, rstd: usize, dx: usize,
  R: i32, C: i32,
  pass: i32, begin: i32, end: i32,
): void {
  const bytes = <usize>C << 2, whole = bytes & ~15, rest = C & 3, scale = <f32>1 / <f32>C;
  for (let row = begin; row < end; row++) {
    const start = <usize>row * bytes, ds = d + start, ts = total + start, xs = dx + start;
    const center = v128.load32_splat(mean + (<usize>row << 2));
    const inverse = load<f32>(rstd + (<usize>row << 2)), factor = f32x4.splat(inverse);
    let e0 = f32x4.splat(0), e1 = e0, p0 = e0, p1 = e0, at: usize = 0;
    for (; at + 32 <= whole; at += 32) {
      const u = f32x4.mul(v128.load(ds + at), v128.load(g + at));
      const w = f32x4.mul(v128.load(ds + at, 16), v128.load(g + at, 16));
      e0 = f32x4.add(e0, u), e1 = f32x4.add(e1, w);
      p0 = madd(u, f32x4.sub(v128.load(ts + at), center), p0);
      p1 = madd(w, f32x4.sub(v128.load(ts + at, 16), center), p1);
    }
    for (; at < bytes; at += 16) {
      const n = <i32>((bytes - at) >> 2), u = f32x4.mul(loadPartial(ds + at, n), loadPartial(g + at, n));
      e0 = f32x4.add(e0, u);
      p0 = madd(u, f32x4.sub(loadPartial(ts + at, n), center), p0);
    }
    const e = f32x4.splat(sum(f32x4.add(e0, e1)) * scale);
    const p = f32x4.splat(sum(f32x4.add(p0, p1)) * scale * inverse);
    for (at = 0; at < whole; at += 16) {
      const xhat = f32x4.mul(f32x4.sub(v128.load(ts + at), center), factor);
      const u = f32x4.sub(f32x4.mul(v128.load(ds + at), v128.load(g + at)), e);
      v128.store(xs + at, f32x4.mul(factor, f32x4.sub(u, f32x4.mul(xhat, p))));
    }
    if (rest) {
      const xhat = f32x4.mul(f32x4.sub(loadPartial(ts + at, rest), center), factor);
      const u = f32x4.sub(f32x4.mul(loadPartial(ds + at, rest), loadPartial(g + at, rest)), e);
      storePartial(xs + at, f32x4.mul(factor, f32x4.sub(u, f32x4.mul(xhat, p))), rest);
    }
  }
}

/**
 * dg += sum over rows of d * xhat, db += sum over rows of d. d, total (R,C); mean, rstd (R); dg, db (C). Rows: blocks
 * of 16 columns, each summed from the first row to the last.
 */
export function layerNormGainGradInto(
  d: usize, total: usize, mean: usize, rstd: usize, dg: usize, db: usize,
  R: i32, C: i32,
  pass: i32, begin: i32, end: i32,
): void {
  const stop = min(end << 4, C);
  for (let c = begin << 4; c < stop; c += 8) gainGrad8(d, total, mean, rstd, dg, db, R, C, c);
}

/** Eight columns, or what is left of them, from column c on. */
function gainGrad8(
  d: usize, total: usize, mean: usize, rstd: usize, dg: usize, db: usize,
  R: i32, C: i32, c: i32,
): void {
  const bytes = <usize>C << 2, at = <usize>c << 2, n0 = min(4, C - c), n1 = max(0, min(4, C - c - 4));
  let ds = d + at, ts = total + at;
  let g0 = f32x4.splat(0), g1 = g0, b0 = g0, b1 = g0;
  for (let row = 0; row < R; row++, ds += bytes, ts += bytes) {
    const center = v128.load32_splat(mean + (<usize>row << 2)), factor = v128.load32_splat(rstd + (<usize>row << 2));
    const d0 = loadPartial(ds, n0), d1 = loadPartial(ds + 16, n1);
    g0 = madd(d0, f32x4.mul(f32x4.sub(loadPartial(ts, n0), center), factor), g0);
    g1 = madd(d1, f32x4.mul(f32x4.sub(loadPartial(ts + 16, n1), center), factor), g1);
    b0 = f32x4.add(b0, d0), b1 = f32x4.add(b1, d1);
  }
  storePartial(dg + at, f32x4.add(loadPartial(dg + at, n0), g0), n0);
  storePartial(db + at, f32x4.add(loadPartial(db + at, n0), b0), n0);
  storePartial(dg + at + 16, f32x4.add(loadPartial(dg + at + 16, n1), g1), n1);
  storePartial(db + at + 16, f32x4.add(loadPartial(db + at + 16, n1), b1), n1);
}
