// Published weights on a small random model in exactly the published formats: names and shapes, out and back in with the
// same bits, and what is said of files that are not as they should be. The formats themselves are in npy_test.ts and
// safetensors_test.ts.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { memoryStorage } from "../src/core/memory_storage.ts";
import { Random } from "../src/core/random.ts";
import { sizeOf } from "../src/core/shape.ts";
import type { Storage } from "../src/core/storage.ts";
import { configure, type Gpt1Config, parameterSpecs } from "../src/models/gpt1.ts";
import { huggingFaceConfig, huggingFaceTensors, originalTensors } from "../src/models/gpt1_published.ts";
import {
  openHuggingFaceGpt1,
  openOriginalGpt1,
  weightFormatOf,
  writeHuggingFaceGpt1,
  writeOriginalGpt1,
} from "../src/tasks/gpt1_weights.ts";
import { type FloatTensor, safetensorFloats } from "../src/train/float_tensor.ts";
import { openNpy } from "../src/train/npy.ts";
import { openSafetensors, safetensors, type TensorSource } from "../src/train/safetensors.ts";
import { strongValues, tinyConfig } from "./tiny_model.ts";

/** Parameters of a configuration, in memory. */
function parametersOf(config: Gpt1Config): Map<string, FloatTensor> {
  return new Map(
    parameterSpecs(config).map((spec) => {
      const values = Float32Array.from(strongValues(spec)), { name, shape } = spec;
      return [name, { shape, read: (begin, end) => Promise.resolve(values.slice(begin, end)) }];
    }),
  );
}

/** The bytes of tensors as a file has them. */
async function bytesOf(sources: readonly TensorSource[]): Promise<Uint8Array> {
  const storage = memoryStorage();
  await storage.write("x", safetensors(sources));
  return await storage.read("x");
}

const ownBytes = (config: Gpt1Config): Promise<Uint8Array> => {
  const parameters = parametersOf(config);
  return bytesOf(
    parameterSpecs(config).map(({ name, shape }) => ({
      name,
      dtype: "F32",
      shape,
      data: async () => new Uint8Array((await parameters.get(name)!.read(0, sizeOf(shape))).buffer),
    })),
  );
};

async function exported(write: typeof writeHuggingFaceGpt1, config: Gpt1Config): Promise<Storage> {
  const storage = memoryStorage();
  await write(storage, "m", config, parametersOf(config));
  return storage;
}

Deno.test("what is exported comes back with the same bits, in both formats", async () => {
  for (const specials of [0, 3]) {
    const config = tinyConfig({ specials, rate: 0.1 }), own = await ownBytes(config);
    const face = await exported(writeHuggingFaceGpt1, config);
    assertEquals(await weightFormatOf(face, "m"), "hugging-face");
    const fromFace = await openHuggingFaceGpt1(face, "m", { tokens: 23 });
    assertEquals(fromFace.config, config);
    assertEquals(await bytesOf(fromFace.parameters), own);

    const release = await exported(writeOriginalGpt1, config);
    assertEquals(await weightFormatOf(release, "m"), "original");
    const fromRelease = await openOriginalGpt1(release, "m", { tokens: 23, heads: 2 });
    assertEquals(fromRelease.config, config);
    assertEquals(await bytesOf(fromRelease.parameters), own);
  }
});

Deno.test("exported tensors have the names and shapes that transformers has", async () => {
  const storage = await exported(writeHuggingFaceGpt1, tinyConfig());
  const { tensors, metadata } = await openSafetensors(storage, "m/model.safetensors");
  const block = (i: number) =>
    Object.entries({
      "attn.c_attn.weight": [8, 24],
      "attn.c_attn.bias": [24],
      "attn.c_proj.weight": [8, 8],
      "attn.c_proj.bias": [8],
      "ln_1.weight": [8],
      "ln_1.bias": [8],
      "mlp.c_fc.weight": [8, 32],
      "mlp.c_fc.bias": [32],
      "mlp.c_proj.weight": [32, 8],
      "mlp.c_proj.bias": [8],
      "ln_2.weight": [8],
      "ln_2.bias": [8],
    }).map(([name, shape]) => [`transformer.h.${i}.${name}`, shape]);
  assertEquals(
    [...tensors].map(([name, { shape }]) => [name, shape]),
    [
      ["transformer.tokens_embed.weight", [23, 8]],
      ["transformer.positions_embed.weight", [16, 8]],
      ...block(0),
      ...block(1),
    ],
  );
  assert([...tensors.values()].every(({ dtype }) => dtype === "F32"));
  assertEquals(metadata, { format: "pt" });
});

Deno.test("the tables agree with the released sizes", () => {
  const config = configure("gpt1", 40478), table = originalTensors(config);
  assertEquals(table.length, 146);
  assertEquals(table.slice(0, 8).map(({ shape }) => shape), [
    [512, 768],
    [40478, 768],
    [1, 768, 2304],
    [2304],
    [1, 768, 768],
    [768],
    [768],
    [768],
  ]);
  for (const each of [table, huggingFaceTensors(config)]) {
    assertEquals(each.reduce((sum, { shape }) => sum + sizeOf(shape), 0), 116_534_784);
  }
});

Deno.test("the original release is ten flat pieces in the published order", async () => {
  const config = tinyConfig(), storage = await exported(writeOriginalGpt1, config);
  const names = (await storage.list("m")).map(({ name }) => name);
  assertEquals(names, [...Array.from({ length: 10 }, (_, i) => `params_${i}.npy`), "params_shapes.json"]);
  const first = await openNpy(storage, "m/params_0.npy");
  const bytes = await storage.readRange("m/params_0.npy", first.start, first.end);
  const table = Float32Array.from(strongValues(parameterSpecs(config)[0]));
  assertEquals(new Float32Array(bytes.buffer).slice(0, 16 * 8), table.slice(23 * 8), "positions come first");
});

Deno.test("other people's files: no prefix, masks, a tied head, half precision", async () => {
  const config = tinyConfig(), storage = await exported(writeHuggingFaceGpt1, config);
  const tensors = await safetensorFloats(await exported(writeHuggingFaceGpt1, config), "m/model.safetensors");
  const source = (
    name: string,
    { shape, read }: FloatTensor,
    dtype: "F32" | "BF16" = "F32",
  ): TensorSource => ({
    name,
    dtype,
    shape,
    data: async () => {
      const values = await read(0, sizeOf(shape));
      if (dtype === "F32") return new Uint8Array(values.buffer);
      return new Uint8Array(Uint16Array.from(new Uint32Array(values.buffer), (bits) => bits >>> 16).buffer);
    },
  });
  const plain = [...tensors].map(([name, tensor]) => source(name.replace("transformer.", ""), tensor));
  const mask: TensorSource = {
    name: "h.0.attn.bias",
    dtype: "U8",
    shape: [4],
    data: () => new Uint8Array(4),
  };
  const head = source("lm_head.weight", tensors.get("transformer.tokens_embed.weight")!);
  await storage.write("m/model.safetensors", safetensors([...plain, mask, head]));
  const found = await openHuggingFaceGpt1(storage, "m", { tokens: 23 });
  assertEquals(await bytesOf(found.parameters), await ownBytes(config));

  const halves = [...tensors].map(([name, tensor]) => source(name, tensor, "BF16"));
  await storage.write("m/model.safetensors", safetensors(halves));
  const widened = await bytesOf((await openHuggingFaceGpt1(storage, "m", { tokens: 23 })).parameters);
  const whole = await ownBytes(config), data = widened.slice(-4);
  assertEquals([...data], [0, 0, ...whole.slice(-2)], "the upper half of each number is kept");

  const other = source("lm_head.weight", {
    ...tensors.get("transformer.tokens_embed.weight")!,
    read: (a, b) => Promise.resolve(new Float32Array(b - a)),
  });
  await storage.write("m/model.safetensors", safetensors([...plain, other]));
  await assertRejects(
    () => openHuggingFaceGpt1(storage, "m", { tokens: 23 }),
    SyntaxError,
    "lm_head.weight differs from the token embeddings",
  );
});

Deno.test("a folder of transformers that is not as it should be", async () => {
  const good = huggingFaceConfig(tinyConfig());
  const bad: [Record<string, unknown>, string][] = [
    [{ model_type: "gpt2" }, 'model_type is "gpt2", but GPT-1 has "openai-gpt"'],
    [{ afn: "relu" }, 'afn is "relu"'],
    [{ layer_norm_epsilon: 1e-12 }, "layer_norm_epsilon is 1e-12"],
    [{ tie_word_embeddings: false }, "tie_word_embeddings is false"],
    [{ n_embd: undefined }, "n_embd is missing, not a whole number from 1 to 2147483648"],
    [{ n_layer: 1e300 }, "n_layer is 1e+300"],
    [{ n_layer: 2e9 }, "n_layer is 2000000000, not a whole number from 1 to 10000"],
    [{ n_head: 3 }, "n_head is 3, which does not divide n_embd 8"],
    [{ attn_pdrop: 1 }, "attn_pdrop is 1, not a rate"],
    [{ vocab_size: 27 }, "rows for 27 tokens but the tokenizer has 23"],
    [{ vocab_size: 22 }, "rows for 22 tokens but the tokenizer has 23"],
    [{ n_positions: 15 }, "positions_embed.weight is (16,8), not (15,8)"],
    [{ n_layer: 3 }, "lacks tensor transformer.h.2.attn.c_attn.weight (8,24)"],
    [{ n_layer: 1 }, 'has a tensor "transformer.h.1.'],
  ];
  const storage = await exported(writeHuggingFaceGpt1, tinyConfig());
  for (const [change, message] of bad) {
    await storage.write("m/config.json", [new TextEncoder().encode(JSON.stringify({ ...good, ...change }))]);
    const error = await assertRejects(
      () => openHuggingFaceGpt1(storage, "m", { tokens: 23 }),
      SyntaxError,
      message,
    );
    assert(error.message.length < 300, error.message);
  }
  for (const text of ["[]", "{", "\xff"]) {
    await storage.write("m/config.json", [Uint8Array.from(text, (c) => c.charCodeAt(0))]);
    await assertRejects(() => openHuggingFaceGpt1(storage, "m", { tokens: 23 }), SyntaxError, "config.json");
  }
  const integers: TensorSource = { name: "x", dtype: "I64", shape: [1], data: () => new Uint8Array(8) };
  await storage.write("m/config.json", [new TextEncoder().encode(JSON.stringify(good))]);
  await storage.write("m/model.safetensors", safetensors([integers]));
  await assertRejects(
    () => openHuggingFaceGpt1(storage, "m", { tokens: 23 }),
    SyntaxError,
    "it is I64, not F32",
  );
  const torch = memoryStorage({ "m/pytorch_model.bin": "x", "m/config.json": "{}" });
  await assertRejects(() => weightFormatOf(torch, "m"), Error, "pytorch_model.bin is not read here");
  await assertRejects(() => weightFormatOf(memoryStorage({ "m/x": "" }), "m"), Error, "it holds neither");
});

Deno.test("an original release that is not as it should be", async () => {
  const open = (storage: Storage, heads: number | undefined = 2) =>
    openOriginalGpt1(storage, "m", { tokens: 23, heads });
  const fresh = (): Promise<Storage> => exported(writeOriginalGpt1, tinyConfig());
  const shapes: number[][] = originalTensors(tinyConfig()).map(({ shape }) => [...shape]);
  const swapped = shapes.toSpliced(2, 3, shapes[4], shapes[3], shapes[2]);
  const bad: [unknown, string][] = [
    [{}, "no list of shapes"],
    [[[1, "2"]], "no list of shapes"],
    [[[2 ** 40, 2 ** 40]], "no list of shapes"],
    [[], "lists 0 shapes"],
    [shapes.slice(0, -1), "lists 25 shapes that begin (16,8) (23,8)"],
    [[shapes[1], shapes[0], ...shapes.slice(2)], "rows for 16 tokens but the tokenizer has 23"],
    [swapped, "shape 2 is (1,8,8) where h0/attn/c_attn/w (1,8,24) belongs"],
    [shapes.slice(0, 14), "hold 2056 numbers, params_shapes.json describes"],
  ];
  const storage = await fresh();
  for (const [json, message] of bad) {
    await storage.write("m/params_shapes.json", [new TextEncoder().encode(JSON.stringify(json))]);
    await assertRejects(() => open(storage), SyntaxError, message);
  }
  await assertRejects(async () => open(await fresh(), 3), RangeError, "3 do not divide them");
  const unsaid = await fresh();
  await assertRejects(
    () => openOriginalGpt1(unsaid, "m", { tokens: 23 }),
    RangeError,
    "Cannot tell the heads",
  );
  const gap = await fresh();
  await gap.remove("m/params_3.npy");
  await assertRejects(() => open(gap), Error, "params_3.npy is missing");
  const short = await fresh();
  await short.remove("m/params_9.npy");
  await assertRejects(() => open(short), SyntaxError, "a piece is missing");
  const cut = await fresh(), bytes = await cut.read("m/params_5.npy");
  await cut.write("m/params_5.npy", [bytes.slice(0, -2)]);
  await assertRejects(() => open(cut), SyntaxError, "follow the header");
});

Deno.test("damaged and hostile folders are refused with a sentence, or are whole", async () => {
  const config = tinyConfig(), own = await ownBytes(config);
  const formats: [Storage, (storage: Storage) => ReturnType<typeof openOriginalGpt1>, string[]][] = [
    [
      await exported(writeHuggingFaceGpt1, config),
      (storage) => openHuggingFaceGpt1(storage, "m", { tokens: 23 }),
      ["m/config.json", "m/model.safetensors"],
    ],
    [
      await exported(writeOriginalGpt1, config),
      (storage) => openOriginalGpt1(storage, "m", { tokens: 23, heads: 2 }),
      ["m/params_shapes.json", "m/params_7.npy"],
    ],
  ];
  let whole = 0, refused = 0;
  for (const [storage, open, paths] of formats) {
    for (let i = 0; i < 2000; i++) {
      const random = new Random(i, paths[0]),
        path = paths[random.below(2)],
        original = await storage.read(path);
      const bytes = original.slice(), first = path.endsWith("s") ? 2400 : 300; // where the header is
      for (let n = 1 + random.below(2); n > 0; n--) {
        const at = random.below(Math.min(first, bytes.length)), digit = 48 + random.below(10);
        bytes[at] = random.below(2) ? digit : bytes[at] ^ 1 << random.below(8);
      }
      await storage.write(path, [random.below(8) ? bytes : bytes.slice(0, random.below(bytes.length))]);
      try {
        const found = await open(storage);
        if (JSON.stringify(found.config) === JSON.stringify(config)) {
          assertEquals((await bytesOf(found.parameters)).length, own.length);
        }
        whole++;
      } catch (error) {
        const message = error instanceof SyntaxError || error instanceof RangeError ? error.message : "";
        assert(/^Cannot [^]*; /.test(message), `${path}, mutation ${i}: ${error}`);
        assert(message.length < 500, message);
        refused++;
      }
      await storage.write(path, [original]);
    }
  }
  assert(whole > 300 && refused > 1000, `${whole} whole, ${refused} refused: the mutations miss one side`);
});
