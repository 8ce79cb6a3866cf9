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
    let s0 = zero, s1 = zero, s2 = zero, s3 = zero, at: usize = 0;
    for (; at + 64 <= whole; at += 64) { // four sums hide the latency of one
      const x0 = xs + at, r0 = rs + at, t0 = ts + at;
      const a0 = f32x4.add(v128.load(x0), v128.load(r0)), a1 = f32x4.add(v128.load(x0, 16), v128.load(r0, 16));
      const a2 = f32x4.add(v128.load(x0, 32), v128.load(r0, 32)), a3 = f32x4.add(v128.load(x0, 48), v128.load(r0, 48));
      v128.store(t0, a0), v128.store(t0, a1, 16), v128.store(t0, a2, 32), v128.store(t0, a3, 48);
      s0 = f32x4.add(s0, a0), s1 = f32x4.add(s1, a1), s2 = f32x4.add(s2, a2), s3 = f32x4.add(s3, a3);
    }
    for (; at < bytes; at += 16) {
      const n = <i32>((bytes - at) >> 2), t = f32x4.add(loadPartial(xs + at, n), loadPartial(rs + at, n));
      storePartial(ts + at, t, n);
      s0 = f32x4.add(s0, t);
    }
    const mu = sum(f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3))) * scale, center = f32x4.splat(mu);
    s0 = zero, s1 = zero, s2 = zero, s3 = zero, at = 0;
    for (; at + 64 <= whole; at += 64) {
      const t0 = ts + at, a0 = f32x4.sub(v128.load(t0), center), a1 = f32x4.sub(v128.load(t0, 16), center);
      const a2 = f32x4.sub(v128.load(t0, 32), center), a3 = f32x4.sub(v128.load(t0, 48), center);
      s0 = madd(a0, a0, s0), s1 = madd(a1, a1, s1), s2 = madd(a2, a2, s2), s3 = madd(a3, a3, s3);
    }
    for (; at < whole; at += 16) {
      const t = f32x4.sub(v128.load(ts + at), center);
      s0 = madd(t, t, s0);
    }
    let squares = sum(f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3)));
    for (let i = 0; i < rest; i++) {
      const t = load<f32>(ts + at + (<usize>i << 2)) - mu;
      squares += t * t;
    }
    const inverse = <f32>1 / sqrt<f32>(squares * scale + eps), factor = f32x4.splat(inverse);
    at = 0;
    for (; at + 32 <= whole; at += 32) {
      const t0 = ts + at, g0 = g + at, b0 = b + at, y0 = ys + at;
      const a0 = f32x4.mul(f32x4.sub(v128.load(t0), center), factor);
      const a1 = f32x4.mul(f32x4.sub(v128.load(t0, 16), center), factor);
      v128.store(y0, madd(a0, v128.load(g0), v128.load(b0)));
      v128.store(y0, madd(a1, v128.load(g0, 16), v128.load(b0, 16)), 16);
    }
    for (; at < bytes; at += 16) {
      const n = <i32>((bytes - at) >> 2), t = f32x4.mul(f32x4.sub(loadPartial(ts + at, n), center), factor);
      storePartial(ys + at, madd(t, loadPartial(g + at, n), loadPartial(b + at, n)), n);
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
    const inverse = load<f32>(rstd + (<usize>row << 2)), factor = f32x4.splat(inverse), zero = f32x4.splat(0);
    let e0 = zero, e1 = zero, e2 = zero, e3 = zero, p0 = zero, p1 = zero, p2 = zero, p3 = zero, at: usize = 0;
    for (; at + 64 <= whole; at += 64) {
      const d0 = ds + at, g0 = g + at, t0 = ts + at;
      const u0 = f32x4.mul(v128.load(d0), v128.load(g0)), u1 = f32x4.mul(v128.load(d0, 16), v128.load(g0, 16));
      const u2 = f32x4.mul(v128.load(d0, 32), v128.load(g0, 32)), u3 = f32x4.mul(v128.load(d0, 48), v128.load(g0, 48));
      e0 = f32x4.add(e0, u0), e1 = f32x4.add(e1, u1), e2 = f32x4.add(e2, u2), e3 = f32x4.add(e3, u3);
      p0 = madd(u0, f32x4.sub(v128.load(t0), center), p0), p1 = madd(u1, f32x4.sub(v128.load(t0, 16), center), p1);
      p2 = madd(u2, f32x4.sub(v128.load(t0, 32), center), p2), p3 = madd(u3, f32x4.sub(v128.load(t0, 48), center), p3);
    }
    for (; at < bytes; at += 16) {
      const n = <i32>((bytes - at) >> 2), u = f32x4.mul(loadPartial(ds + at, n), loadPartial(g + at, n));
      e0 = f32x4.add(e0, u);
      p0 = madd(u, f32x4.sub(loadPartial(ts + at, n), center), p0);
    }
    // dx = d g rstd + offset + (total - mean) slope
    const e = sum(f32x4.add(f32x4.add(e0, e1), f32x4.add(e2, e3))) * scale;
    const p = sum(f32x4.add(f32x4.add(p0, p1), f32x4.add(p2, p3))) * scale;
    const offset = f32x4.splat(-e * inverse), slope = f32x4.splat(-p * inverse * inverse * inverse);
    at = 0;
    for (; at + 32 <= whole; at += 32) {
      const d0 = ds + at, g0 = g + at, t0 = ts + at, x0 = xs + at;
      const a0 = madd(f32x4.sub(v128.load(t0), center), slope, offset);
      const a1 = madd(f32x4.sub(v128.load(t0, 16), center), slope, offset);
      v128.store(x0, madd(f32x4.mul(v128.load(d0), v128.load(g0)), factor, a0));
      v128.store(x0, madd(f32x4.mul(v128.load(d0, 16), v128.load(g0, 16)), factor, a1), 16);
    }
    for (; at < bytes; at += 16) {
      const n = <i32>((bytes - at) >> 2), a = madd(f32x4.sub(loadPartial(ts + at, n), center), slope, offset);
      storePartial(xs + at, madd(f32x4.mul(loadPartial(ds + at, n), loadPartial(g + at, n)), factor, a), n);
    }
  }
}

/**
 * dg += sum over rows of d * xhat, db += sum over rows of d. d, total (R,C); mean, rstd (R); dg, db (C). Rows: blocks
 * of 16 columns. A thread goes over its columns four rows at a time, so that memory is read along rows; every sum runs
 * from the first row to the last.
 */
export function layerNormGainGradInto(
  d: usize, total: usize, mean: usize, rstd: usize, dg: usize, db: usize,
  R: i32, C: i32,
  pass: i32, begin: i32, end: i32,
): void {
  const first = begin << 4, columns = min(end << 4, C) - first, bytes = <usize>C << 2, offset = <usize>first << 2;
  d += offset, total += offset, dg += offset, db += offset;
  for (let row = 0; row < R; row += 4, d += bytes << 2, total += bytes << 2, mean += 16, rstd += 16) {
    if (row + 4 <= R) {
      gainGrads(true, d, total, mean, rstd, dg, db, bytes, columns);
    } else {
      const left = <usize>(R - row);
      for (let i: usize = 0; i < left; i++) {
        gainGrads(false, d + i * bytes, total + i * bytes, mean + (i << 2), rstd + (i << 2), dg, db, bytes, columns);
      }
    }
  }
}

/** Adds one row, or four (a constant) that lie `ld` bytes apart. */
// @ts-ignore: decorator
@inline
function gainGrads(
  four: bool, d: usize, total: usize, mean: usize, rstd: usize, dg: usize, db: usize, ld: usize, columns: i32,
): void {
  const m0 = v128.load32_splat(mean), f0 = v128.load32_splat(rstd);
  let m1 = m0, m2 = m0, m3 = m0, f1 = f0, f2 = f0, f3 = f0;
  if (four) {
    m1 = v128.load32_splat(mean, 4), m2 = v128.load32_splat(mean, 8), m3 = v128.load32_splat(mean, 12);
    f1 = v128.load32_splat(rstd, 4), f2 = v128.load32_splat(rstd, 8), f3 = v128.load32_splat(rstd, 12);
  }
  let c = 0;
  for (; c + 4 <= columns; c += 4, d += 16, total += 16, dg += 16, db += 16) {
    const d0 = v128.load(d);
    let g = madd(f32x4.mul(d0, f0), f32x4.sub(v128.load(total), m0), v128.load(dg)), b = f32x4.add(v128.load(db), d0);
    if (four) {
      const d1 = v128.load(d + ld), d2 = v128.load(d + 2 * ld), d3 = v128.load(d + 3 * ld);
      g = madd(f32x4.mul(d1, f1), f32x4.sub(v128.load(total + ld), m1), g), b = f32x4.add(b, d1);
      g = madd(f32x4.mul(d2, f2), f32x4.sub(v128.load(total + 2 * ld), m2), g), b = f32x4.add(b, d2);
      g = madd(f32x4.mul(d3, f3), f32x4.sub(v128.load(total + 3 * ld), m3), g), b = f32x4.add(b, d3);
    }
    v128.store(dg, g), v128.store(db, b);
  }
  const rest = columns - c;
  if (rest <= 0) return;
  let g = loadPartial(dg, rest), b = loadPartial(db, rest);
  const rows: usize = four ? 4 : 1;
  for (let row: usize = 0; row < rows; row++) {
    const x = loadPartial(d + row * ld, rest), m = v128.load32_splat(mean + (row << 2));
    const f = v128.load32_splat(rstd + (row << 2));
    g = madd(f32x4.mul(x, f), f32x4.sub(loadPartial(total + row * ld, rest), m), g), b = f32x4.add(b, x);
  }
  storePartial(dg, g, rest), storePartial(db, b, rest);
}
