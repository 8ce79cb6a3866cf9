// Every mistake and mishap that the command line names: one sentence with a remedy on stderr, nothing on stdout, exit
// code 1, and nothing written, lost or damaged. Interruptions are in crash_test.ts.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { FINETUNE, makePlace, makeTokenizer, metricsOf, type Place, PRETRAIN } from "./cli_support.ts";

const NEW = `${PRETRAIN} --model nano --out new --steps 2`, RUN = `${PRETRAIN} --model nano --tokenizer tok`;
let place: Place;

Deno.test.beforeAll(async () => {
  place = await makePlace();
  await makeTokenizer(place);
  await place.json(`${RUN} --valid valid.txt --validate-every 4 --steps 4 --out base`);
  await place.json(`${FINETUNE} --model base --out classifier`);
});
Deno.test.afterAll(() => place.remove());

// Runs a command that must fail and change nothing in the place; the message is all but progress that stderr shows.
async function fails(message: string | RegExp, line: string, ...rest: string[]): Promise<void> {
  const before = await place.tree(".");
  const { code, stdout, stderr } = await place.foreword(line, ...rest);
  assertEquals([code, stdout], [1, ""], stderr);
  const lines = stderr.trimEnd().split("\n"), at = lines.findIndex((line) => line.startsWith("error: "));
  assert(at >= 0, stderr);
  const shown = lines.slice(at).filter((line) => line !== "(add --help for the flags)");
  assertEquals(shown.length, 1, `one line, not ${stderr}`);
  if (typeof message === "string") assertEquals(shown[0], `error: ${message}`);
  else assertMatch(shown[0], message);
  assertEquals(await place.tree("."), before, "nothing was written, lost or damaged");
}

Deno.test("flags that are wrong or missing", async () => {
  await fails(
    "option '--model <preset>' argument 'tiny' is invalid. Allowed choices are nano, micro, mini, small, medium, " +
      "large, gpt1.",
    "pretrain --corpus corpus.txt --tokenizer tok --model tiny --steps 2 --out new",
  );
  await fails(
    "tiny is neither a run folder nor a preset: the presets are nano, micro, mini, small, medium, large, gpt1",
    "info --model tiny",
  );
  await fails("required option '--out <folder>' not specified", `${RUN} --steps 2`);
  await fails(
    "option '--steps <n>' argument '0' is invalid. It must be a whole number of at least 1.",
    `${RUN} --steps 0 --out new`,
  );
  await fails(
    "option '--device <name>' argument 'gpu' is invalid. Allowed choices are auto, wasm, webgpu, reference.",
    `${RUN} --steps 2 --out new --device gpu`,
  );
  await fails(
    "option '--precision <name>' argument 'half' is invalid. Allowed choices are f32, f16.",
    `${RUN} --steps 2 --out new --precision half`,
  );
  for (const device of ["", " --device wasm", " --device auto"]) {
    await fails(
      "--precision f16 is for a GPU: add --device webgpu, or leave it out",
      `${RUN} --steps 2 --out new --precision f16${device}`,
    );
  }
  await fails(
    "option '--recompute <what>' argument 'all' is invalid. Allowed choices are none, attention, block.",
    `${RUN} --steps 2 --out new --recompute all`,
  );
  await fails(
    "Give --tokenizer, made by `foreword tokenizer train`, or --init",
    `${PRETRAIN} --steps 2 --out new`,
  );
  await fails(
    "Give either --valid or --valid-fraction, not both",
    `${RUN} --steps 2 --out new --valid valid.txt --valid-fraction 0.1`,
  );
  await fails("Give either --corpus or --data", "evaluate --model base");
  await fails(
    "Give either --text or --text-file, or --data with a file of examples",
    "predict --model classifier",
  );
  await fails("Give --prompt at least one word to continue", "generate --model base --prompt", " ");
  await fails("unknown command 'tarin'", "tarin");
});

Deno.test("files and folders that are missing", async () => {
  const gone = "there is no such file or folder";
  const corpus = new RegExp(`^error: Cannot read the corpus gone\\.(txt|tsv): ${gone}`);
  await fails(corpus, `${NEW} --corpus gone.txt --tokenizer tok`);
  await fails(corpus, `${RUN} --valid gone.txt --steps 2 --out new`);
  await fails(corpus, "tokenizer train --corpus gone.txt --vocab-size 300 --out new");
  await fails(corpus, "evaluate --model base --corpus gone.txt");
  await fails(corpus, `${FINETUNE} --model base --test gone.tsv --out new`);
  await fails(corpus, "predict --model classifier --text-file gone.txt");
  await fails(
    /^error: Cannot load a tokenizer from gone: there is no such file or folder; check the path$/,
    `${NEW} --corpus corpus.txt --tokenizer gone`,
  );
  const run = "gone is not a run folder: it has no config.json. Give the --out folder of an earlier run";
  await fails(run, "generate --model gone --prompt x");
  await fails(run, `${FINETUNE} --model gone --out new`);
  await fails(run, `${PRETRAIN} --init gone --steps 2 --out new`);
});

Deno.test("texts that are empty, too short, of another encoding or of another form", async () => {
  await place.write("blank.txt", " \n\n");
  await place.write("short.txt", "Once upon a time there was a miller.");
  await place.write("one.txt", "a");
  await place.write("latin.txt", Uint8Array.of(0x63, 0x61, 0x66, 0xe9, 0x0a));
  await place.write("tabless.tsv", "a good day\tglad\nno tab here\n");
  await place.write("single.tsv", "a good day\tglad\n");
  await Deno.mkdir(`${place.path}/folder`);
  const blank = /^error: Cannot use the corpus blank\.txt: it holds only blank text/;
  await fails(blank, `${NEW} --corpus blank.txt --tokenizer tok`);
  await fails(blank, "tokenizer train --corpus blank.txt --vocab-size 300 --out new");
  await fails(blank, `${RUN} --valid blank.txt --steps 2 --out new`);
  await fails(blank, "evaluate --model base --corpus blank.txt");
  await fails(
    /^error: Cannot use the corpus folder: no file in it ends in \.txt/,
    `${NEW} --corpus folder --tokenizer tok`,
  );
  await fails(
    /^error: Cannot make batches of 4 x 64 tokens from a corpus of \d+: one batch takes 256; add text, or use a smaller/,
    `${NEW} --corpus short.txt --tokenizer tok`,
  );
  await fails(
    "Cannot validate on 1 token of --valid one.txt: add text to it",
    `${RUN} --valid one.txt --steps 2 --out new`,
  );
  await fails(
    "Cannot validate on 1 token of --valid-fraction 0.00001: use a larger one",
    `${RUN} --valid-fraction 0.00001 --steps 2 --out new`,
  );
  await fails(
    "Cannot read latin.txt: byte 3 (0xe9) is not valid UTF-8; if the file is in Latin-1, convert it: " +
      "iconv -f latin1 -t utf-8 FILE > NEW",
    `${NEW} --corpus latin.txt --tokenizer tok`,
  );
  await fails(
    "tabless.tsv, line 2: there is no tab; each line is text, a tab, and the label",
    `${FINETUNE} --model base --train tabless.tsv --out new`,
  );
  await fails(
    "Cannot learn to classify with 1 label: two or more are needed",
    `${FINETUNE} --model base --train single.tsv --out new`,
  );
  await fails(
    "Cannot train on 64 examples in batches of 65: use a smaller batch",
    `${FINETUNE} --model base --batch 65 --out new`,
  );
});

Deno.test("a label never seen in training", async () => {
  await place.write("odd.tsv", "a good day\tglad\nwhat a day\tbored\n");
  const message =
    'odd.tsv, line 2: the label "bored" was never seen in training, where the labels are afraid, angry, glad, ' +
    "sad; correct the label or remove the example";
  await fails(message, `${FINETUNE} --model base --dev odd.tsv --out new`);
  await fails(message, `${FINETUNE} --model base --test odd.tsv --out new`);
  await fails(message, "evaluate --model classifier --data odd.tsv");
});

Deno.test("a run of the wrong kind", async () => {
  await fails(
    "base is a language model without a classifier: fine-tune it first",
    "predict --model base --text x",
  );
  await fails(
    "classifier is a classifier already: give a pre-trained run",
    `${FINETUNE} --model classifier --out new`,
  );
});

Deno.test("an --out in use is refused, and so is resuming with other flags", async () => {
  const inUse = "base already holds a run: choose another --out, or add --resume to continue it";
  await fails(inUse, `${RUN} --steps 4 --out base`);
  await fails(inUse, `${FINETUNE} --model base --out base`);
  await fails(
    "tok is a folder with other things in it: choose an --out that is empty or does not exist",
    `${RUN} --steps 4 --out tok`,
  );
  await fails(
    "tok already holds a tokenizer: choose another --out",
    "tokenizer train --corpus corpus.txt --vocab-size 300 --out tok",
  );
  await fails("tok holds something that is not an earlier demo: choose another --out", "demo --out tok");
  const resume = `${RUN} --valid valid.txt --steps 4 --out base --resume`;
  await fails(
    "Cannot resume base with steps 5: it was begun with 4. Give the same flags",
    `${resume} --steps 5`,
  );
  await fails(
    "Cannot resume base with seed 7: it was begun with 1. Give the same flags",
    `${resume} --seed 7`,
  );
  await fails(
    "Cannot resume base with lr 0.1: it was begun with 0.003. Give the same flags",
    `${resume} --lr 0.1`,
  );
  await fails(
    "Cannot resume classifier with epochs 3: it was begun with 2. Give the same flags",
    `${FINETUNE} --model base --out classifier --resume --epochs 3`,
  );
});

Deno.test("a run that fails before its first checkpoint leaves a folder that it found as it was", async () => {
  await Deno.mkdir(`${place.path}/mine`);
  await fails(/^error: Cannot make batches/, `${RUN} --batch 5000 --steps 2 --out mine`);
  assert((await Deno.stat(`${place.path}/mine`)).isDirectory);
});

Deno.test("too little memory is told before anything is allocated, with the flags that would fit", async () => {
  await fails(
    /^error: Cannot train with batches of 4: that takes \S+ MiB, .* there are 4\.0 MiB\. What fits: --batch 2 --accumulate 6 \(\S+ MiB\), or --recompute block \(\S+ MiB\)\.$/,
    `${RUN} --accumulate 3 --steps 2 --out new --memory 4`,
  );
  await fails(
    /^error: Cannot train with batches of 16: .* there are 4\.0 MiB\. What fits: --micro-batch 2 \(\S+ MiB\), or --micro-batch 4 --recompute block \(\S+ MiB\)\.$/,
    `${FINETUNE} --model base --out new --memory 4`,
  );
  await fails(
    /^error: Cannot train with batches of 4: .* Nothing fits: .* Use a smaller model or a shorter context\.$/,
    `${RUN} --steps 2 --out new --memory 2`,
  );
});

Deno.test("a loss that is not finite stops the run, names the step and keeps the checkpoints", async () => {
  const wild = `${RUN} --lr 1e37 --warmup 0 --steps 30`;
  await fails(
    "The loss or its gradient is not finite at step 2: stopped before that update. Nothing was saved yet; try a " +
      "lower --lr or a longer --warmup",
    `${wild} --out wild`,
  );
  const { code, stderr } = await place.foreword(`${wild} --save-every 1 --out wild`);
  assertEquals(code, 1);
  assert(
    stderr.endsWith(
      "error: The loss or its gradient is not finite at step 2: stopped before that update. The checkpoints of wild " +
        "are kept; try a lower --lr or a longer --warmup in a new --out\n",
    ),
    stderr,
  );
  assertEquals((await metricsOf(place, "wild")).map((line) => JSON.parse(line).step), [1]);
  const { checkpoints } = await place.json<{ checkpoints: { name: string }[] }>("info --model wild");
  assertEquals(checkpoints.map(({ name }) => name), ["step-00000001"]);
  assertEquals(
    (await place.foreword("evaluate --model wild --checkpoint last --corpus valid.txt --device wasm")).code,
    0,
  );
});

Deno.test("a run without a checkpoint", async () => {
  await Deno.mkdir(`${place.path}/young`);
  await place.write("young/config.json", await place.read("base/config.json"));
  for (const file of ["encoder.json", "vocab.bpe", "tokenizer_config.json"]) {
    await Deno.mkdir(`${place.path}/young/tokenizer`, { recursive: true });
    await place.write(`young/tokenizer/${file}`, await place.read(`base/tokenizer/${file}`));
  }
  await fails(
    "young has no checkpoint yet: let it train for a while, or resume it",
    "generate --model young --prompt x",
  );
  await fails(
    /^error: Cannot open checkpoint "step-00000099" of base: there is none; its folders are step-00000004; name one/,
    "generate --model base --checkpoint step-00000099 --prompt x",
  );
});

// A pre-training whose best checkpoint, the first, is not the last: the held-out text is noise that training unlearns.
async function twoCheckpoints(): Promise<{ best: string; last: string; resume: string }> {
  const run = `${RUN} --steps 30 --lr 0.03 --valid noise.txt --validate-every 1 --out two`;
  await place.write("noise.txt", "zqx xqz jjq ".repeat(40));
  await place.json(run);
  const { best, last } = JSON.parse(await place.read("two/checkpoints.json"));
  assert(best !== last, "the run has two checkpoints");
  return { best: `two/checkpoints/${best}`, last: `two/checkpoints/${last}`, resume: `${run} --resume` };
}

Deno.test("a damaged checkpoint is named, with the one to use instead", async (t) => {
  const { best, last, resume } = await twoCheckpoints();
  const use = (which: string) => `evaluate --model two --corpus valid.txt --threads 1 --device wasm${which}`;
  const damage = async (file: string, how: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array | null) => {
    const path = `${place.path}/${file}`, whole = await Deno.readFile(path), damaged = how(whole.slice());
    await (damaged ? Deno.writeFile(path, damaged) : Deno.remove(path));
    return () => Deno.writeFile(path, whole);
  };
  const flip = (bytes: Uint8Array) => (bytes[bytes.length >> 1] ^= 1, bytes);
  const cases = [
    ["a flipped bit", "model.safetensors", flip, "has other bytes than were saved \\(SHA-256\\)"],
    [
      "a cut file",
      "model.safetensors",
      (b: Uint8Array) => b.subarray(0, 99),
      "holds 99 bytes, not the \\d+ saved",
    ],
    ["a missing file", "moment2.safetensors", () => null, "is missing"],
    [
      "a flipped bit in the sidecar",
      "checkpoint.json",
      flip,
      "(is not a JSON object|has other content than was saved)",
    ],
  ] as const;
  for (const [name, file, how, what] of cases) {
    await t.step(name, async () => {
      const undoBest = await damage(`${best}/${file}`, how);
      const message = (path: string, remedy: string) =>
        new RegExp(`^error: ${path}/${file} ${what}.*; ${remedy}`);
      await fails(message(best, "use --checkpoint last, or copy the folder again"), use(""));
      assertEquals((await place.foreword(use(" --checkpoint last"))).code, 0, "the remedy works");
      await undoBest();
      const undoLast = await damage(`${last}/${file}`, how);
      await fails(
        message(last, "use --checkpoint best, or copy the folder again"),
        use(" --checkpoint last"),
      );
      await fails(message(last, "use --resume best, or copy the folder again"), resume);
      await undoLast();
    });
  }
  await t.step("resuming from the best one gives the same run", async () => {
    const metrics = await metricsOf(place, "two");
    await damage(`${last}/model.safetensors`, flip);
    const { code, stderr } = await place.foreword(`${resume} best`);
    assertEquals(code, 0, stderr);
    assertEquals(await metricsOf(place, "two"), metrics);
  });
  await t.step("a missing folder", async () => {
    await Deno.remove(`${place.path}/${best}`, { recursive: true });
    await fails(new RegExp(`^error: ${best}/? is missing; use --checkpoint last`), use(""));
  });
});

Deno.test("a tokenizer that is not the run's is refused", async () => {
  await place.json("tokenizer train --corpus corpus.txt --vocab-size 290 --out other");
  await fails(
    "base was trained with another tokenizer than other: leave --tokenizer out",
    `${PRETRAIN} --init base --tokenizer other --steps 2 --out new`,
  );
});
