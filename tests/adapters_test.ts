// Adapters as files: merged into their matrices a model scores the same, alone in PEFT's layout they come back bit for
// bit, and folders of another kind are refused with a sentence.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { openWasm } from "../src/backends/wasm/device.ts";
import { memoryStorage } from "../src/core/memory_storage.ts";
import { sizeOf } from "../src/core/shape.ts";
import type { Storage } from "../src/core/storage.ts";
import type { Gpt1Config } from "../src/models/gpt1.ts";
import { createGpt1, type Gpt1 } from "../src/models/gpt1_model.ts";
import { exampleFeeds } from "../src/models/gpt1_feeds.ts";
import { loraTargets, SPECIAL_ROWS, type Tuning } from "../src/models/gpt1_tuning.ts";
import { isAdapter } from "../src/nn/lora.ts";
import { writeHuggingFaceGpt1 } from "../src/tasks/gpt1_weights.ts";
import { merged, openPeftAdapters, valuesFrom, writePeftAdapters } from "../src/tasks/gpt1_adapters.ts";
import { openParameters, saveTraining } from "../src/train/checkpoint.ts";
import { openCheckpoint } from "../src/train/checkpoint_folder.ts";
import { type FloatTensor, sameFloats } from "../src/train/float_tensor.ts";
import type { FloatTensors } from "../src/train/published.ts";
import { openSafetensors, safetensors } from "../src/train/safetensors.ts";
import { tinyConfig, tinyModel } from "./tiny_model.ts";

const head = { outputs: 2, choices: 1 }, device = await openWasm({ threads: 1 });
const lora = { rank: 3, alpha: 2, targets: loraTargets };
const config = (tuning: Tuning = { lora }, specials = 3): Gpt1Config => ({
  ...tinyConfig({ specials }),
  ...tuning,
});

const numbers = (tensor: FloatTensor): Promise<Float32Array> => tensor.read(0, sizeOf(tensor.shape));

// A model's parameters as they are saved.
async function saved(of: Gpt1Config, classifier: number | null = 2): Promise<FloatTensors> {
  const storage = memoryStorage();
  using model = await tinyModel(device, of, { classifier });
  await saveTraining(storage, "run", model, { step: 0, info: {} });
  return await openParameters(storage, await openCheckpoint(storage, "run", "last"));
}

async function scoresOf(model: Gpt1): Promise<number[]> {
  const sequences = [[[23, 4, 8, 15, 24, 16, 25]], [[23, 2, 3, 25]]];
  const examples = sequences.map((sequences, label) => ({ sequences, label }));
  const run = { batch: 2, length: 8, language: true, classifier: head };
  const shape = { batch: 2, length: 8, lambda: 0.5, examples: 2, head };
  const { logits, languageRows } = await model.scores(run).run(exampleFeeds(model.config, examples, shape));
  return [...logits, ...languageRows];
}

const furthest = (a: readonly number[], b: readonly number[]): number =>
  Math.max(...a.map((x, i) => Math.abs(x - b[i]) / Math.max(1, Math.abs(x))));

Deno.test("a merged model scores as the one with adapters, and holds the parameters of a plain one", async () => {
  for (const tuning of [{ lora }, { lora: { ...lora, targets: ["mlp/c_proj"] } }, { frozenLayers: 1 }]) {
    const of = config(tuning), parameters = await saved(of), plain = merged(of, parameters);
    assertEquals(plain.config, config({}));
    const values = valuesFrom(plain.parameters), classifier = 2;
    using adapted = await createGpt1(device, of, { classifier, values: valuesFrom(parameters) });
    using one = await createGpt1(device, plain.config, { classifier, values });
    using bare = await createGpt1(device, plain.config, { classifier, values: valuesFrom(parameters) });
    assertEquals(
      one.layout.segments.map(({ name }) => name).toSorted(),
      [...plain.parameters.keys()].toSorted(),
    );
    const want = await scoresOf(adapted);
    assert(furthest(want, await scoresOf(one)) < 1e-5, "to the rounding of float32");
    assert(furthest(want, await scoresOf(bare)) > 1e-2, "what is merged counts");
  }
});

Deno.test("what is merged can be read from anywhere to anywhere", async () => {
  const of = config(), { parameters } = merged(of, await saved(of));
  for (const name of ["we", "h1/mlp/c_fc/w"]) {
    const tensor = parameters.get(name)!, all = await numbers(tensor);
    for (const [begin, end] of [[0, 1], [5, 40], [31, 32], [190, 255]]) {
      assertEquals(await tensor.read(begin, end), all.slice(begin, end), `${name} from ${begin} to ${end}`);
    }
  }
});

Deno.test("adapters alone lie in PEFT's layout and come back bit for bit", async () => {
  const storage = memoryStorage(), of = config(), parameters = await saved(of);
  await writePeftAdapters(storage, "adapter", of, parameters, "runs/base");
  const json = JSON.parse(new TextDecoder().decode(await storage.read("adapter/adapter_config.json")));
  const { peft_type, r, lora_alpha, lora_dropout, target_modules, fan_in_fan_out, bias, task_type } = json;
  assertEquals([peft_type, r, lora_alpha, lora_dropout, fan_in_fan_out, bias], [
    "LORA",
    3,
    2,
    0,
    true,
    "none",
  ]);
  assertEquals(target_modules, ["attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"]);
  assertEquals([task_type, json.inference_mode, json.base_model_name_or_path], [
    "CAUSAL_LM",
    true,
    "runs/base",
  ]);

  const file = await openSafetensors(storage, "adapter/adapter_model.safetensors");
  assertEquals(file.tensors.size, 2 * 2 * 4);
  const name = "base_model.model.transformer.h.1.mlp.c_fc";
  const shapes = ["A", "B"].map((half) => file.tensors.get(`${name}.lora_${half}.weight`)!.shape);
  assertEquals(shapes, [[3, 8], [32, 3]]);
  const bytes = await file.read(`${name}.lora_A.weight`),
    a = await numbers(parameters.get("h1/mlp/c_fc/lora_a")!);
  const published = new Float32Array(bytes.buffer, bytes.byteOffset, 24);
  assertEquals(published[2 * 8 + 5], a[5 * 3 + 2], "transposed");

  const found = await openPeftAdapters(storage, "adapter", config({}));
  assertEquals(found.lora, lora);
  const trained = [...parameters.keys()].filter((name) =>
    isAdapter(name) || name === SPECIAL_ROWS || name.startsWith("clf/")
  );
  assertEquals([...found.parameters.keys()].toSorted(), trained.toSorted());
  for (const name of trained) {
    assert(await sameFloats(found.parameters.get(name)!, parameters.get(name)!), name);
  }
});

Deno.test("a language model's adapters need no file of our own, and names without a prefix are known", async () => {
  const storage = memoryStorage(),
    of = config({ lora: { ...lora, dropout: 0.25, targets: ["attn/c_proj"] } }, 0);
  const parameters = await saved(of, null);
  await writePeftAdapters(storage, "adapter", of, parameters);
  assertEquals((await storage.list("adapter")).map(({ name }) => name).toSorted(), [
    "adapter_config.json",
    "adapter_model.safetensors",
  ]);
  await rewrite(storage, (name) => name.replace("transformer.", ""));
  const found = await openPeftAdapters(storage, "adapter", config({}, 0));
  assertEquals(found.lora, of.lora!);
  const half = "h0/attn/c_proj/lora_b";
  assert(await sameFloats(found.parameters.get(half)!, parameters.get(half)!));
});

// Writes the adapters of a folder again, with other names or without those that have none.
async function rewrite(storage: Storage, rename: (name: string) => string | null): Promise<void> {
  const path = "adapter/adapter_model.safetensors", file = await openSafetensors(storage, path);
  const tensors = await Promise.all([...file.tensors].map(async ([name, { dtype, shape }]) => {
    const bytes = await file.read(name);
    return { name: rename(name), dtype, shape, data: () => bytes };
  }));
  const named = tensors.flatMap(({ name, ...rest }) => name === null ? [] : [{ name, ...rest }]);
  await storage.write(path, safetensors(named));
}

Deno.test("adapters of another kind or of another model are refused", async () => {
  const of = config(), parameters = await saved(of);
  const fresh = async () => {
    const storage = memoryStorage();
    await writePeftAdapters(storage, "adapter", of, parameters);
    return storage;
  };
  const refused = async (storage: Storage, message: string, model = config({})) => {
    await assertRejects(() => openPeftAdapters(storage, "adapter", model), SyntaxError, message);
  };
  const path = "adapter/adapter_config.json";
  for (
    const [change, message] of [
      [{ peft_type: "IA3" }, 'peft_type is "IA3", and only adapters of type "LORA"'],
      [{ bias: "all" }, 'bias is "all", and only "none"'],
      [{ use_dora: true }, "use_dora is true, which has no counterpart here; merge it"],
      [{ rank_pattern: { c_attn: 4 } }, 'rank_pattern is {"c_attn":4}, which has no counterpart'],
      [{ r: 0 }, "r is 0, not a whole number of at least 1"],
      [{ r: 4 }, "is (3,8), not (4,8); take weights and configuration from one source"],
      [{ lora_alpha: "x" }, 'lora_alpha is "x", not a number above 0'],
      [{ lora_dropout: 2 }, "lora_dropout is 2, not a rate from 0 to 1"],
    ] as const
  ) {
    const storage = await fresh(), json = JSON.parse(new TextDecoder().decode(await storage.read(path)));
    await storage.write(path, [new TextEncoder().encode(JSON.stringify({ ...json, ...change }))]);
    await refused(storage, message);
  }
  const text = await fresh();
  await text.write(path, [new TextEncoder().encode("[1]")]);
  await refused(text, "it is no JSON object");
  const other = { ...config({}), channels: 16 };
  await refused(await fresh(), "is (3,8), not (3,16)", other);
  await refused(await fresh(), "it lacks tensor base_model.model.transformer.h.2.attn.c_attn.lora_A.weight", {
    ...config({}),
    layers: 3,
  });
  const few = await fresh();
  await rewrite(few, (name) => name.includes("h.1.mlp.c_proj.lora_B") ? null : name);
  await refused(few, "it lacks tensor base_model.model.transformer.h.1.mlp.c_proj.lora_B.weight");
  const strange = await fresh();
  await rewrite(strange, (name) => name.replace(".c_", ".d_"));
  await refused(strange, "none of its tensors is an adapter of a GPT-1's matrices");
  await assertRejects(
    () => writeHuggingFaceGpt1(memoryStorage(), "face", of, parameters),
    RangeError,
    "merge it into the model first",
  );
  await assertRejects(
    () => writePeftAdapters(memoryStorage(), "adapter", config({}), parameters),
    RangeError,
    "Cannot write the adapters of a model that has none",
  );
});
