// The safetensors format: files built by hand byte by byte, what the writer promises about order and memory, and
// thousands of seeded mutations out of which nothing but a sound file or a SyntaxError may come.

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { memoryStorage } from "../src/core/memory_storage.ts";
import { Random } from "../src/core/random.ts";
import { NotFound } from "../src/core/storage.ts";
import {
  openSafetensors,
  safetensors,
  SAFETENSORS_BYTES,
  type TensorSource,
} from "../src/train/safetensors.ts";

const ascii = (text: string): number[] => [...new TextEncoder().encode(text)];

/** A file from its parts; the header is not padded, which readers must accept. */
function fileOf(header: string | number[], data: number[] = [], length?: bigint): Uint8Array {
  const head = typeof header === "string" ? ascii(header) : header, start = new Uint8Array(8);
  new DataView(start.buffer).setBigUint64(0, length ?? BigInt(head.length), true);
  return new Uint8Array([...start, ...head, ...data]);
}

const open = (file: Uint8Array) => openSafetensors(memoryStorage({ "m.safetensors": file }), "m.safetensors");

async function bytesOf(tensors: TensorSource[], metadata?: Record<string, string>): Promise<Uint8Array> {
  const storage = memoryStorage();
  await storage.write("f", safetensors(tensors, metadata));
  return await storage.read("f");
}

const source = (name: string, dtype: TensorSource["dtype"], shape: number[], fill = 0): TensorSource => ({
  name,
  dtype,
  shape,
  data: () => new Uint8Array(shape.reduce((a, b) => a * b, SAFETENSORS_BYTES[dtype])).fill(fill),
});

Deno.test("safetensors writes exactly the bytes of the format", async () => {
  const written = await bytesOf([{
    name: "a",
    dtype: "U8",
    shape: [3],
    data: () => new Uint8Array([1, 2, 255]),
  }]);
  const header = '{"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}}   ';
  assertEquals(header.length, 56);
  assertEquals([...written], [56, 0, 0, 0, 0, 0, 0, 0, ...ascii(header), 1, 2, 255]);
  assertEquals([...await bytesOf([])], [8, 0, 0, 0, 0, 0, 0, 0, ...ascii("{}      ")]);
});

Deno.test("openSafetensors reads a file built by hand, in any header order", async () => {
  const file = await open(fileOf(
    '{"b":{"shape":[],"dtype":"F32","data_offsets":[2,6]},"__metadata__":{"k":"v\\u00e9"},' +
      '"a":{"dtype":"BF16","shape":[1,1],"data_offsets":[0,2],"extra":null},"z":{"dtype":"I64","shape":[0,9],' +
      '"data_offsets":[6,6]}}  ',
    [0x80, 0x3f, 0, 0, 0x20, 0xc1],
  ));
  assertEquals(file.metadata, { k: "vé" });
  assertEquals([...file.tensors.keys()], ["a", "b", "z"]);
  assertEquals(new Float32Array((await file.read("b")).buffer), new Float32Array([-10]));
  assertEquals([...await file.read("a")], [0x80, 0x3f]);
  assertEquals((await file.read("z")).length, 0);
  await assertRejects(() => file.read("w"), RangeError, 'its 3 tensors are "a", "b", "z"');
});

Deno.test("safetensors round-trips names that objects treat in their own way, and every dtype", async () => {
  const dtypes = Object.keys(SAFETENSORS_BYTES) as TensorSource["dtype"][];
  const tensors = [
    ...["10", "9", "__proto__", "constructor", 'h0/"q"\\', "é😀", ""].map((name, i) =>
      source(name, "U8", [i], i + 1)
    ),
    ...dtypes.map((dtype, i) => source(`of ${dtype}`, dtype, [2, 3, 1], 100 + i)),
    source("scalar", "F64", [], 7),
  ];
  const metadata = { "__proto__x": "1", "7": "seven", "text": "é\n\u0000" };
  const file = await open(await bytesOf(tensors, metadata));
  assertEquals(file.metadata, metadata);
  assertEquals(file.tensors.size, tensors.length);
  for (const { name, dtype, shape, data } of tensors) {
    const entry = file.tensors.get(name)!;
    assertEquals([entry.dtype, entry.shape], [dtype, shape]);
    assertEquals(entry.start % SAFETENSORS_BYTES[dtype], 0, `${name} is not aligned`);
    assertEquals(await file.read(name), data());
  }
});

Deno.test("safetensors asks for data one tensor at a time and passes pieces on as they come", async () => {
  const log: string[] = [];
  const pieces = (name: string) =>
    async function* () {
      for (let i = 0; i < 3; i++) {
        await Promise.resolve();
        log.push(`${name}${i} made`);
        yield new Uint8Array(4).fill(i);
      }
    };
  const tensors: TensorSource[] = ["a", "b"].map((name) => ({
    name,
    dtype: "F32",
    shape: [3],
    data: () => Promise.resolve(pieces(name)()),
  }));
  for await (const part of safetensors(tensors)) log.push(`${part.length} passed`);
  assertEquals(
    log.slice(1),
    ["a0", "a1", "a2", "b0", "b1", "b2"].flatMap((name) => [`${name} made`, "4 passed"]),
  );
});

Deno.test("safetensors refuses what would make a bad file", async () => {
  const ok = source("a", "F32", [2]);
  const bad: [TensorSource[], Record<string, string>, string][] = [
    [[ok, ok], {}, "taken"],
    [[source("__metadata__", "F32", [1])], {}, "taken"],
    [[source("\ud800", "F32", [1])], {}, "surrogate"],
    [[{ ...ok, shape: [-1] }], {}, "no list of sizes"],
    [[{ ...ok, shape: [1.5] }], {}, "no list of sizes"],
    [[{ ...ok, shape: [2 ** 40, 2 ** 40] }], {}, "larger than any file"],
    [[{ ...ok, dtype: "F31" as "F32" }], {}, '"F31" is unknown'],
    [[], { a: "\udc00" }, "surrogate"],
  ];
  for (const [tensors, metadata, message] of bad) {
    assertThrows(() => safetensors(tensors, metadata), RangeError, message);
  }
  assertThrows(() => safetensors([], { a: 1 as unknown as string }), TypeError, "no string");
  for (const size of [7, 9]) {
    const short = { ...ok, data: () => new Uint8Array(size) };
    await assertRejects(() => bytesOf([short]), RangeError, `takes 8 bytes, its data has ${size}`);
  }
});

Deno.test("openSafetensors says what is wrong with a bad file", async () => {
  const one = (entry: string): string => `{"a":${entry}}`;
  const f32 = (shape: string, start: number | string, end: number | string): string =>
    `{"dtype":"F32","shape":${shape},"data_offsets":[${start},${end}]}`;
  const four = [1, 2, 3, 4];
  const bad: [Uint8Array, string][] = [
    [new Uint8Array(0), "holds 0 bytes"],
    [new Uint8Array(7), "holds 7 bytes"],
    [fileOf("{}", [], 3n), "claims 3 bytes but the file ends after 10"],
    [fileOf("{}", [], 100_000_001n), "over the 100 MB"],
    [fileOf("{}", [], 2n ** 64n - 1n), "over the 100 MB"],
    [fileOf(""), "not JSON"],
    [fileOf("{"), "not JSON"],
    [fileOf([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), "UTF-8"],
    [fileOf([0xef, 0xbb, 0xbf, 0x7b, 0x7d]), "not JSON"],
    [fileOf("[]"), "not an object"],
    [fileOf("null"), "not an object"],
    [fileOf("[".repeat(200_000)), "not JSON"],
    [fileOf(one("[".repeat(50_000) + "]".repeat(50_000))), "entry is no object"],
    [fileOf('{"__metadata__":[]}'), "__metadata__ is not an object"],
    [fileOf('{"__metadata__":{"k":1}}'), 'metadata "k" is not a string'],
    [fileOf(`{"a":${f32("[1]", 0, 4)},"\\u0061":${f32("[1]", 0, 4)}}`, four), 'has "a" twice'],
    [
      fileOf(one('{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}'), four),
      'has "dtype" twice',
    ],
    [fileOf(one("4")), "entry is no object"],
    [fileOf(one('{"shape":[1],"data_offsets":[0,4]}'), four), "dtype is undefined"],
    [fileOf(one('{"dtype":"toString","shape":[1],"data_offsets":[0,4]}'), four), 'dtype is "toString"'],
    [fileOf(one('{"dtype":{"x":1},"shape":[1],"data_offsets":[0,4]}'), four), "dtype is an object"],
    [fileOf(one('{"dtype":"F32","data_offsets":[0,4]}'), four), "no list of sizes"],
    [fileOf(one(f32("[-1]", 0, 4)), four), "no list of sizes"],
    [fileOf(one(f32("[0.5]", 0, 2)), four), "no list of sizes"],
    [fileOf(one(f32('["1"]', 0, 4)), four), "no list of sizes"],
    [fileOf(one(f32("[1]", 0, '4,"x"')), four), "no pair"],
    [fileOf(one(f32("[1]", -4, 0)), four), "no pair"],
    [fileOf(one(f32("[1]", 4, 0)), four), "takes 4 bytes, its data_offsets -4"],
    [fileOf(one(f32("[2]", 0, 4)), four), "takes 8 bytes, its data_offsets 4"],
    [fileOf(one(f32("[4294967296,4294967296]", 0, 0)), four), "larger than any file"],
    [fileOf(one(f32("[1]", 4, 8)), [...four, ...four]), "leaves a gap of 4 bytes"],
    [fileOf(`{"a":${f32("[2]", 0, 8)},"b":${f32("[1]", 4, 8)}}`, [...four, ...four]), '"b" overlaps'],
    [fileOf(`{"a":${f32("[1]", 0, 4)},"b":${f32("[1]", 8, 12)}}`, [...four, ...four, ...four]), "gap of 4"],
    [fileOf(one(f32("[1]", 0, 4)), [1, 2, 3]), "cut short"],
    [fileOf(one(f32("[1]", 9007199254740984, 9007199254740988)), four), "gap"],
    [fileOf(one(f32("[1]", 0, 4)), [...four, 5]), "1 bytes follow"],
    [fileOf("{}", [0]), "1 bytes follow"],
  ];
  for (const [file, message] of bad) {
    const error = await assertRejects(() => open(file), SyntaxError, message);
    assert(
      error.message.includes("m.safetensors") && /; (copy|write|check)/.test(error.message),
      error.message,
    );
    assert(error.message.length < 400, `a message of ${error.message.length} characters`);
  }
  await assertRejects(() => openSafetensors(memoryStorage(), "none"), NotFound, "none");
  await assertRejects(() => openSafetensors(memoryStorage({ "d/x": "" }), "d"), TypeError, "folder");
});

/** One to three random injuries: flipped bits, bytes of JSON, cuts, insertions, repeats, other header lengths. */
function mutate(original: Uint8Array, random: Random): Uint8Array {
  let bytes = [...original];
  for (let left = Math.max(1, random.below(5) - 1); left > 0; left--) {
    const at = random.below(bytes.length + 1), headerAt = 8 + random.below(Math.max(1, original[0]));
    const injuries = [
      () => void (bytes[at % bytes.length] ^= 1 << random.below(8)),
      () => void (bytes[Math.max(0, bytes.length - 1 - random.below(24))] = random.below(256)),
      () =>
        void (bytes[Math.min(headerAt, bytes.length - 1)] =
          ascii('{}[]:,"0123456789-.eE\\ \t')[random.below(24)]),
      () => void (bytes = bytes.slice(0, at)),
      () => void bytes.splice(at, 0, random.below(256)),
      () => void bytes.splice(at, 1 + random.below(8)),
      () => void bytes.splice(headerAt, 0, ...bytes.slice(at, at + random.below(40))),
      () => void (bytes[random.below(8)] = random.below(256)),
      () => void (bytes[0] += random.below(9) - 4),
      () => void (bytes[Math.min(headerAt, bytes.length - 1)] = 48 + random.below(10)),
    ];
    injuries[random.below(injuries.length)]();
    if (bytes.length === 0) break;
  }
  return new Uint8Array(bytes);
}

Deno.test("openSafetensors meets 6000 mutations with a sound file or a SyntaxError", async () => {
  const original = await bytesOf(
    [
      source("h0/w", "F32", [2, 3], 1),
      source("b", "U8", [5], 2),
      source("e", "F16", [0], 3),
      source("s", "I64", [], 4),
    ],
    { note: "mutated" },
  );
  let sound = 0, refused = 0;
  for (let i = 0; i < 6000; i++) {
    const file = mutate(original, new Random(i, "mutations"));
    try {
      const opened = await open(file);
      let at = 8 + Number(new DataView(file.buffer).getBigUint64(0, true));
      for (const [name, { start, end, shape, dtype }] of opened.tensors) {
        assertEquals([start, end - start], [at, shape.reduce((a, b) => a * b, SAFETENSORS_BYTES[dtype])]);
        assertEquals(await opened.read(name), file.slice(start, end));
        at = end;
      }
      assertEquals(at, file.length);
      sound++;
    } catch (error) {
      assert(
        error instanceof SyntaxError && error.message.includes("m.safetensors"),
        `mutation ${i}: ${error}`,
      );
      refused++;
    }
  }
  assert(sound > 200 && refused > 3000, `${sound} sound, ${refused} refused: the mutations miss one side`);
});
