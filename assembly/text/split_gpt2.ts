// GPT-2's split into pieces. The published expression tries, in this order: 's 't 're 've 'm 'll 'd; letters, numbers
// or anything else but white space, each with a space before them if there is one; white space up to, but without,
// its last character if text follows; white space. Here 64 bytes become one 64-bit mask for each class, the
// beginnings of pieces follow from shifted masks, and only contractions and characters beyond ASCII are looked at one
// by one. A piece can begin
//   - at white space, unless it has white space on both sides (the end of the text counts as white space);
//   - at anything else, unless the character before is of the same class or a space (U+0020);
//   - where a contraction ends; and not at its first letter. It counts only where its apostrophe begins a piece.

import { classAt, classOf } from "./classes";
import { codePointAt, continues, lengthFrom } from "./utf8";

// The classes of the table: 0 is everything else.
const LETTER: u32 = 1, NUMBER: u32 = 2, SPACE: u32 = 3;
// Text that is not final is scanned up to here before its end: a character, or the rest of a contraction, may follow.
const LOOK_AHEAD: usize = 4;

// @ts-ignore: decorator
@inline
function join(a: v128, b: v128, c: v128, d: v128): u64 {
  return <u64><u32>(i8x16.bitmask(a) | (i8x16.bitmask(b) << 16)) |
    (<u64><u32>(i8x16.bitmask(c) | (i8x16.bitmask(d) << 16)) << 32);
}

// Lanes whose byte is in [first, first + count): `from` is first + 128, `below` is count - 128, both modulo 256.
// @ts-ignore: decorator
@inline
function within(v: v128, from: v128, below: v128): v128 {
  return i8x16.lt_s(i8x16.sub(v, from), below);
}

/** Bytes from an apostrophe to the end of the contraction it begins; 0 if it begins none. */
// @ts-ignore: decorator
@inline
function contraction(at: usize): u32 {
  const a = <u32>load<u8>(at, 1), b = <u32>load<u8>(at, 2);
  if (a == 0x73 || a == 0x74 || a == 0x6d || a == 0x64) return 2; // s t m d
  return ((a == 0x72 || a == 0x76) && b == 0x65) || (a == 0x6c && b == 0x6c) ? 3 : 0; // re ve ll
}

/**
 * Writes the address of the beginning of each piece of the text in [at, end) to `starts`, u32, and returns their
 * number. Behind the last comes one more address: `end` if the text is `final`, else where the text begins that can
 * only be split when more of it is known (that piece is not counted). The text begins a piece and is valid UTF-8. Of
 * the 64 bytes behind `end`, which are read, 16 are overwritten; `starts` has room for a piece at each byte, and five
 * more.
 */
export function splitGpt2(at: usize, end: usize, final: bool, classes: usize, starts: usize): u32 {
  v128.store(end, i64x2.splat(0));
  let p = at, to = starts;
  let limit = final ? end : end - min(LOOK_AHEAD, end - at);
  while (limit > at && continues(load<u8>(limit))) limit--;
  // Adding a zero that compilers cannot see keeps them from spelling out the constants again at each use.
  const zero = <i8>(memory.size() >> 17);
  const x20 = i8x16.splat(<i8>(32 + zero)), quote = i8x16.splat(<i8>(39 + zero));
  const a = i8x16.splat(<i8>(97 + 128 + zero)), below26 = i8x16.splat(<i8>(26 - 128 + zero));
  const d0 = i8x16.splat(<i8>(48 + 128 + zero)), below10 = i8x16.splat(<i8>(10 - 128 + zero));
  const tab = i8x16.splat(<i8>(9 + 128 + zero)), below5 = i8x16.splat(<i8>(5 - 128 + zero));
  // The last character of the block before, in bit 0 of its class; what a contraction there says of this block.
  let letterBefore: u64 = 0, numberBefore: u64 = 0, otherBefore: u64 = 0, spaceBefore: u64 = 0, x20Before: u64 = 0;
  let forced: u64 = 0, forbidden: u64 = 0;
  while (p < limit) {
    const v0 = v128.load(p), v1 = v128.load(p, 16), v2 = v128.load(p, 32), v3 = v128.load(p, 48);
    let n = <u32>min<usize>(64, limit - p);
    let valid = ~(<u64>0) >> (64 - n);
    const high = join(v0, v1, v2, v3) & valid;
    let letters = join(
      within(v128.or(v0, x20), a, below26),
      within(v128.or(v1, x20), a, below26),
      within(v128.or(v2, x20), a, below26),
      within(v128.or(v3, x20), a, below26),
    );
    let numbers = join(
      within(v0, d0, below10),
      within(v1, d0, below10),
      within(v2, d0, below10),
      within(v3, d0, below10),
    );
    const x20s = join(i8x16.eq(v0, x20), i8x16.eq(v1, x20), i8x16.eq(v2, x20), i8x16.eq(v3, x20));
    let spaces = x20s | join(
      within(v0, tab, below5),
      within(v1, tab, below5),
      within(v2, tab, below5),
      within(v3, tab, below5),
    );
    let inner: u64 = 0, wide2: u64 = 0, wide3: u64 = 0; // white space beyond ASCII: later bytes; first bytes by length
    if (high) {
      while (continues(load<u8>(p + n))) n--; // the block ends where a character ends
      valid = ~(<u64>0) >> (64 - n);
      let rest = high & valid;
      while (rest) {
        const i = <u32>ctz(rest), codePoint = codePointAt(p + i), size = lengthFrom(load<u8>(p + i));
        const kind = classOf(classes, codePoint), bits = ((<u64>1 << size) - 1) << i;
        letters |= bits & -(<u64>(kind == LETTER));
        numbers |= bits & -(<u64>(kind == NUMBER));
        if (kind == SPACE) {
          spaces |= bits;
          inner |= bits & (bits << 1);
          if (size == 2) wide2 |= <u64>1 << i;
          else wide3 |= <u64>1 << i;
        }
        rest &= ~bits;
      }
    }
    const others = ~(letters | numbers | spaces);
    const spaceAfter = <u64>(p + n >= end || classAt(classes, p + n) == SPACE);
    let followed = (spaces >> 1) & (valid >> 1) | (spaceAfter << (n - 1)); // by white space, seen from a last byte
    if (inner) followed = (followed & ~(wide2 | wide3)) | ((followed >> 1) & wide2) | ((followed >> 2) & wide3);
    const same = (letters & ((letters << 1) | letterBefore)) | (numbers & ((numbers << 1) | numberBefore)) |
      (others & ((others << 1) | otherBefore));
    let begins = ((spaces & ~inner & ~(((spaces << 1) | spaceBefore) & followed)) |
      (~spaces & ~same & ~((x20s << 1) | x20Before))) & valid;
    begins = (begins & ~forbidden) | forced;
    forced = forbidden = 0;
    let quotes = join(i8x16.eq(v0, quote), i8x16.eq(v1, quote), i8x16.eq(v2, quote), i8x16.eq(v3, quote)) & begins;
    while (quotes) {
      const i = <u32>ctz(quotes), size = contraction(p + i), last = i + size;
      quotes &= quotes - 1;
      if (size == 0) continue;
      if (i + 1 < n) begins &= ~(<u64>1 << (i + 1));
      else forbidden = 1;
      if (last < n) begins |= <u64>1 << last;
      else forced = <u64>1 << (last - n);
    }
    begins &= valid;
    const next = to + (<usize>popcnt(begins) << 2);
    while (to < next) {
      for (let k = 0; k < 4; k++) {
        store<u32>(to + (k << 2), <u32>(p + <usize>ctz(begins)));
        begins &= begins - 1;
      }
      to += 16;
    }
    to = next;
    const last = <u64>(n - 1);
    letterBefore = (letters >> last) & 1;
    numberBefore = (numbers >> last) & 1;
    otherBefore = (others >> last) & 1;
    spaceBefore = (spaces >> last) & 1;
    x20Before = (x20s >> last) & 1;
    p += n;
  }
  if (final) {
    store<u32>(to, <u32>end);
    return <u32>((to - starts) >> 2);
  }
  if (to == starts) {
    store<u32>(to, <u32>at);
    return 0;
  }
  return <u32>((to - starts) >> 2) - 1;
}
