// What is computed only to be looked at, so a plain row at a time: no packing and no tiles. Attention that mixes values,
// and is fast, is in attention.ts.

import { exp, hiddenZero, loadPartial, madd, storePartial, sum } from "./simd";

/**
 * p = softmax(q kᵀ / sqrt D) per head, before dropout. qkv (B,T,3C) with C = H D, lengths (B) i32, p (B,H,T,T) as
 * [query][key]. If `causal`, query t sees keys 0..t. Keys and queries at or past a sequence's length are dead: 0. Rows: B H T.
 */
export function attentionWeights(
  qkv: usize, lengths: usize, p: usize,
  B: i32, T: i32, H: i32, D: i32, causal: i32,
  pass: i32, begin: i32, end: i32,
): void {
  const part = <usize>(H * D) << 2, ld = part * 3, scale = <f32>(1 / sqrt<f64>(<f64>D)), zero = hiddenZero();
  for (let row = begin; row < end; row++) {
    const bh = row / T, query = row - bh * T, b = bh / H, column = <usize>((bh - b * H) * D) << 2;
    const live = min(T, load<i32>(lengths + (<usize>b << 2)));
    const limit = query >= live ? 0 : causal ? query + 1 : live;
    const from = qkv + <usize>b * <usize>T * ld + column, q = from + <usize>query * ld;
    const out = p + <usize>row * (<usize>T << 2);
    memory.fill(out + (<usize>limit << 2), 0, <usize>(T - limit) << 2);
    if (limit == 0) continue;

    let top: f32 = -Infinity;
    for (let key = 0, k = from + part; key < limit; key++, k += ld) {
      let s = f32x4.splat(0);
      for (let d = 0; d < D; d += 4) {
        const at = <usize>d << 2;
        s = madd(loadPartial(q + at, D - d), loadPartial(k + at, D - d), s);
      }
      const score = sum(s) * scale;
      top = max(top, score);
      store<f32>(out + (<usize>key << 2), score);
    }
    const shift = f32x4.splat(top);
    let total: f32 = 0;
    for (let key = 0; key < limit; key += 4) {
      const at = out + (<usize>key << 2), left = limit - key;
      storePartial(at, exp(f32x4.sub(loadPartial(at, left), shift), zero), left);
      total += sum(loadPartial(at, left));
    }
    const factor = f32x4.splat(<f32>1 / total);
    for (let key = 0; key < limit; key += 4) {
      const at = out + (<usize>key << 2), left = limit - key;
      storePartial(at, f32x4.mul(loadPartial(at, left), factor), left);
    }
  }
}
