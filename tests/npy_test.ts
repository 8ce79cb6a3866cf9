// The .npy format: bytes as NumPy writes them, what is refused and how it is said, and thousands of seeded mutations out of
// which nothing but a sound file or an error with a sentence may come, without reading more than a small header.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { memoryStorage } from "../src/core/memory_storage.ts";
import { Random } from "../src/core/random.ts";
import { NotFound, type Storage } from "../src/core/storage.ts";
import { floatTensor, widen } from "../src/train/float_tensor.ts";
import { npy, openNpy } from "../src/train/npy.ts";

const ascii = (text: string): number[] => [...new TextEncoder().encode(text)];
const MAGIC = [0x93, ...ascii("NUMPY")];

/** A file from its parts, version 1.0. */
const fileOf = (header: string, data: number[] = []): Uint8Array =>
  new Uint8Array([...MAGIC, 1, 0, header.length & 255, header.length >> 8, ...ascii(header), ...data]);
const dict = (shape: string, descr = "<f4", fortran = "False"): string =>
  `{'descr': '${descr}', 'fortran_order': ${fortran}, 'shape': ${shape}, }`;
const open = (file: Uint8Array) => openNpy(memoryStorage({ "x.npy": file }), "x.npy");

async function written(shape: number[], values: number[]): Promise<Uint8Array> {
  const storage = memoryStorage();
  await storage.write("x.npy", npy(shape, new Uint8Array(new Float32Array(values).buffer)));
  return await storage.read("x.npy");
}

Deno.test("npy writes the bytes that NumPy writes", async () => {
  for (const [shape, tuple] of [[[3], "(3,)"], [[1, 3], "(1, 3)"], [[], "()"]] as const) {
    const size = shape.length ? 3 : 1, file = await written([...shape], Array(size).fill(1.5));
    const header = `${dict(tuple).padEnd(117)}\n`;
    const data = Array.from({ length: size }, () => [0, 0, 0xc0, 0x3f]).flat();
    assertEquals([...file], [...fileOf(header, data)]);
    assertEquals(await open(file), { dtype: "F32", shape: [...shape], start: 128, end: 128 + 4 * size });
  }
  await assertRejects(() => written([2], [1]), RangeError, "takes 8 bytes, not 4");
  await assertRejects(() => written([-1], []), RangeError, "no list of sizes");
});

Deno.test("openNpy reads what other versions of NumPy and Python write", async () => {
  const zeros = [0, 0, 0, 0];
  assertEquals(
    (await open(fileOf("{'shape': (1L,), 'descr': '<f4', 'fortran_order': True}\n", zeros))).shape,
    [1],
  );
  assertEquals((await open(fileOf(dict("(2, 1)", "<f2"), zeros))).dtype, "F16");
  const header = dict("(1,)"), start = [...MAGIC, 2, 0, header.length, 0, 0, 0];
  const wide = await open(new Uint8Array([...start, ...ascii(header), ...zeros]));
  assertEquals([wide.shape, wide.start], [[1], 12 + header.length]);
  const storage = memoryStorage({ x: fileOf(dict("(3,)", "<f2"), [0, 0x3c, 1, 0, 0, 0xfc]) });
  const values = await floatTensor(storage, "x", await openNpy(storage, "x")).read(0, 3);
  assertEquals([...values], [1, 2 ** -24, -Infinity]);
});

Deno.test("openNpy says what is wrong with a bad file", async () => {
  const zeros = [0, 0, 0, 0];
  const bad: [Uint8Array, string][] = [
    [new Uint8Array(0), "does not begin"],
    [new Uint8Array(200), "does not begin"],
    [fileOf(dict("(1,)"), zeros).with(6, 4), "version is 4.0"],
    [fileOf(dict("(1,)"), zeros).slice(0, 40), "claims a header of 57 bytes but ends after 40"],
    [new Uint8Array([...MAGIC, 2, 0, 255, 255, 255, 255]), "claims a header of 4294967295 bytes"],
    [fileOf("", zeros), "not a dict"],
    [fileOf("[1, 2]", zeros), "not a dict"],
    [fileOf(dict("(-1,)"), zeros), "not a dict"],
    [fileOf(dict("(1)"), zeros), "not a dict"],
    [fileOf(dict("[1]"), zeros), "not a dict"],
    [fileOf(dict("(1,)").replace("shape", "descr"), zeros), "not a dict"],
    [fileOf("{'descr': '<f4', 'fortran_order': False}", zeros), "not a dict"],
    [fileOf("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", zeros), "not a dict"],
    [fileOf(dict("(1,)", ">f4"), zeros), "dtype is >f4, not <f4,<f2"],
    [fileOf(dict("(1,)", "<f8"), zeros), "save it as float32"],
    [fileOf(dict("(1, 1)", "<f4", "True"), zeros), "Fortran order"],
    [fileOf(dict("(9007199254740991, 9)"), zeros), "larger than any file"],
    [fileOf(dict("(2,)"), zeros), "takes 8 bytes, but 4 follow"],
    [fileOf(dict("(1,)"), [...zeros, 0]), "takes 4 bytes, but 5 follow"],
  ];
  for (const [file, message] of bad) {
    const error = await assertRejects(() => open(file), SyntaxError, message);
    assert(error.message.includes("x.npy") && error.message.length < 300, error.message);
  }
  await assertRejects(() => openNpy(memoryStorage(), "none"), NotFound, "none");
});

/** One to four injuries: flipped bits, characters of headers, digits, cuts, insertions, repeats, other lengths. */
function mutate(original: Uint8Array, random: Random): Uint8Array<ArrayBuffer> {
  let bytes = [...original];
  for (let left = 1 + random.below(3); left > 0 && bytes.length > 0; left--) {
    const at = random.below(bytes.length), inHeader = Math.min(10 + random.below(60), bytes.length - 1);
    const injuries = [
      () => void (bytes[at] ^= 1 << random.below(8)),
      () => void (bytes[inHeader] = ascii("{}()'<>f48L, :-0\\")[random.below(17)]),
      () => void (bytes[inHeader] = 48 + random.below(10)),
      () => void bytes.splice(inHeader, 0, ...ascii("9".repeat(1 + random.below(20)))),
      () => void (bytes = bytes.slice(0, at)),
      () => void bytes.splice(at, random.below(8)),
      () => void bytes.splice(inHeader, 0, ...bytes.slice(at, at + random.below(40))),
      () => void (bytes[6 + random.below(4)] = random.below(256)),
      () => void (bytes[bytes.length - 1 - random.below(Math.min(20, bytes.length))] = random.below(256)),
    ];
    injuries[random.below(injuries.length)]();
  }
  return new Uint8Array(bytes);
}

/** A storage that notes the longest range that was asked for. */
function watched(
  files: Record<string, Uint8Array<ArrayBuffer>>,
): { storage: Storage; longest: () => number } {
  const inner = memoryStorage(files);
  let longest = 0;
  const readRange: Storage["readRange"] = (path, start, end) => {
    longest = Math.max(longest, end - start);
    return inner.readRange(path, start, end);
  };
  return { storage: { ...inner, readRange }, longest: () => longest };
}

Deno.test("openNpy meets 6000 mutations with a sound file or a sentence", async () => {
  const original = await written([2, 3], [1, 2, 3, 4, 5, 6]);
  let sound = 0, refused = 0;
  for (let i = 0; i < 6000; i++) {
    const file = mutate(original, new Random(i, "mutations")),
      { storage, longest } = watched({ "x.npy": file });
    try {
      const entry = await openNpy(storage, "x.npy"), count = entry.shape.reduce((a, b) => a * b, 1);
      assertEquals([entry.end, entry.end - entry.start], [
        file.length,
        count * (entry.dtype === "F32" ? 4 : 2),
      ]);
      assertEquals((await floatTensor(storage, "x.npy", entry).read(0, count)).length, count);
      sound++;
    } catch (error) {
      const said = error instanceof SyntaxError && error.message.includes("x.npy") &&
        error.message.includes("; ");
      assert(said, `mutation ${i}: ${error}`);
      refused++;
    }
    assert(longest() <= file.length, `mutation ${i} made it read ${longest()} bytes`);
  }
  assert(sound > 300 && refused > 3000, `${sound} sound, ${refused} refused: the mutations miss one side`);
});

Deno.test("half-precision numbers widen to the same number", () => {
  const halves = Uint16Array.of(
    0,
    0x8000,
    0x3c00,
    0xc000,
    0x7bff,
    0x0400,
    0x0001,
    0x03ff,
    0x7c00,
    0xfc00,
    0x3555,
  );
  const numbers = [
    0,
    -0,
    1,
    -2,
    65504,
    2 ** -14,
    2 ** -24,
    1023 * 2 ** -24,
    Infinity,
    -Infinity,
    1365 / 4096,
  ];
  assertEquals([...widen(halves, "F16")], numbers);
  assert(Number.isNaN(widen(Uint16Array.of(0x7e01), "F16")[0]));
  assertEquals([...widen(Uint16Array.of(0x3f80, 0xc000, 0x7f80, 0x0001), "BF16")], [
    1,
    -2,
    Infinity,
    2 ** -133,
  ]);
});
