// UTF-8: code points of valid text, and where text stops being valid. Scanners trust their input; bytes from outside
// pass `firstInvalid` first.

/** The code point whose first byte is at `at`; the text is valid. */
// @ts-ignore: decorator
@inline
export function codePointAt(at: usize): u32 {
  const a = <u32>load<u8>(at);
  if (a < 0x80) return a;
  const b = <u32>load<u8>(at, 1) & 63;
  if (a < 0xe0) return ((a & 31) << 6) | b;
  const c = <u32>load<u8>(at, 2) & 63;
  if (a < 0xf0) return ((a & 15) << 12) | (b << 6) | c;
  return ((a & 7) << 18) | (b << 12) | (c << 6) | (<u32>load<u8>(at, 3) & 63);
}

/** Bytes of the code point that starts with this byte. */
// @ts-ignore: decorator
@inline
export function lengthFrom(first: u32): u32 {
  return 1 + <u32>(first >= 0xc0) + <u32>(first >= 0xe0) + <u32>(first >= 0xf0);
}

/** Whether a byte continues a code point. */
// @ts-ignore: decorator
@inline
export function continues(byte: u32): bool {
  return (byte & 0xc0) == 0x80;
}

/**
 * The address of the first byte that does not begin a valid code point, `end` if there is none. As in the Unicode
 * standard, overlong forms, surrogates and what lies above U+10FFFF are invalid. Reads up to 15 bytes behind `end`.
 */
export function firstInvalid(at: usize, end: usize): usize {
  while (at < end) {
    while (at < end && !v128.any_true(v128.and(v128.load(at), i8x16.splat(-128)))) at += 16;
    if (at >= end) break;
    const a = <u32>load<u8>(at);
    if (a < 0x80) {
      at++;
      continue;
    }
    const n = lengthFrom(a);
    if (a < 0xc2 || a > 0xf4 || at + n > end) return at;
    // The second byte bounds the code point: E0 and F0 must not be overlong, ED no surrogate, F4 not too large.
    const b = <u32>load<u8>(at, 1);
    const low: u32 = a == 0xe0 ? 0xa0 : a == 0xf0 ? 0x90 : 0x80, high: u32 = a == 0xed ? 0x9f : a == 0xf4 ? 0x8f : 0xbf;
    if (b < low || b > high) return at;
    if (n > 2 && !continues(load<u8>(at, 2))) return at;
    if (n > 3 && !continues(load<u8>(at, 3))) return at;
    at += n;
  }
  return end;
}
