// Where commands compute: that a GPU that is not there is told in a sentence and before any work, that other mistakes are told
// before a device is opened, and what a resumed run says of another device. Processes here see no GPU; what is chosen where
// there is one is in open_auto_test.ts, commands on it are in cli_webgpu_test.ts.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { placeOf } from "../src/cli/io.ts";
import { otherDevice } from "../src/cli/training.ts";
import { FINETUNE, makePlace, makeTokenizer, metricsOf, type Place, PRETRAIN } from "./cli_support.ts";

const RUN = `${PRETRAIN} --model nano --tokenizer tok`, GPU = "--device webgpu";
const MISSING =
  "There is no GPU adapter: install a Vulkan, Metal or Direct3D 12 driver, or use --device wasm";
let place: Place;

Deno.test.beforeAll(async () => {
  const none = "/nonexistent";
  place = await makePlace({ VK_DRIVER_FILES: none, VK_ICD_FILENAMES: none, DENO_WEBGPU_BACKEND: "vulkan" });
  await makeTokenizer(place);
  await place.json(`${RUN} --steps 4 --out base`);
  await place.json(`${FINETUNE} --model base --out classifier`);
});
Deno.test.afterAll(() => place.remove());

// Runs a command that must fail with nothing but a sentence, and change nothing.
async function fails(message: string, line: string, ...rest: string[]): Promise<void> {
  const before = await place.tree("."), { code, stdout, stderr } = await place.foreword(line, ...rest);
  const lines = stderr.split("\n").filter((line) => line !== "" && line !== "(add --help for the flags)");
  assertEquals([code, stdout, lines], [1, "", [`error: ${message}`]]);
  assertEquals(await place.tree("."), before, "nothing was written, lost or damaged");
}

Deno.test("a GPU that is not there is told in a sentence, before texts are encoded or an earlier demo goes", async () => {
  await fails(MISSING, `${RUN} --steps 2 --out new ${GPU}`);
  await fails(MISSING, `${FINETUNE} --model base --out new ${GPU} --precision f16`);
  await fails(MISSING, `generate --model base ${GPU} --prompt`, "Once");
  await Deno.mkdir(`${place.path}/earlier`);
  await place.write("earlier/config.json", '{ "settings": { "demo": true } }');
  await place.write("earlier/report.html", "<p>worth keeping</p>");
  await fails(MISSING, `demo --out earlier ${GPU}`);
});

Deno.test("too little memory is told before texts are encoded", async () => {
  const { code, stderr } = await place.foreword(`${RUN} --steps 2 --out new --memory 4 --device auto`);
  assertEquals(code, 1);
  assertMatch(stderr, /^auto: WASM, there is no GPU adapter\nerror: Cannot train with batches of 4: .*\n$/);
});

Deno.test("mistakes are told before a device is opened", async () => {
  const gone = "there is no such file or folder; check the path";
  const checkpoint = 'Cannot open checkpoint "nope" of base: there is none; its folders are step-00000004; ' +
    "name one of them";
  const used = "already holds a run: choose another --out";
  await fails("Give --prompt at least one word to continue", `generate --model base ${GPU} --prompt`, " ");
  await fails(checkpoint, `generate --model base --checkpoint nope ${GPU} --prompt`, "Once");
  await fails(checkpoint, `evaluate --model base --checkpoint nope --corpus valid.txt ${GPU}`);
  await fails(`Cannot read the corpus gone.txt: ${gone}`, `evaluate --model base --corpus gone.txt ${GPU}`);
  await fails(
    `Cannot read the corpus gone.txt: ${gone}`,
    `${RUN} --valid gone.txt --steps 2 --out new ${GPU}`,
  );
  await fails(
    "base is a language model without a classifier: fine-tune it first",
    `predict --model classifier --ensemble base ${GPU} --text x`,
  );
  await fails(`base ${used}, or add --resume to continue it`, `${FINETUNE} --model base --out base ${GPU}`);
  await fails(`base ${used} for several seeds`, `${FINETUNE} --model base --seeds 1,2 --out base ${GPU}`);
});

Deno.test("flags of a device are refused where nothing is computed, and halves where there is no GPU", async () => {
  const run = "base is a run folder, which is read and not run: leave --";
  await fails(`${run}device out`, "info --model base --device wasm");
  await fails(`${run}precision out`, "info --model base --precision f32");
  await fails("unknown option '--device'", "export --model base --out new --device wasm");
  await fails("unknown option '--precision'", "import --from base --out new --precision f32");
  const halves = "--precision f16 is for a GPU: add --device webgpu, or leave it out";
  await fails(halves, "study zeroshot --config gone.json --precision f16");
  await fails(halves, `${RUN} --corpus gone.txt --steps 2 --out new --precision f16`);
  await fails(halves, `${RUN} --steps 4 --out base --device auto --precision f16 --resume`);
});

Deno.test("a resumed run stays on WASM with the precision that it has", async () => {
  const before = await metricsOf(place, "base");
  for (const precision of ["", "--precision f32"]) {
    const line = `${RUN} --steps 4 --out base --device auto --resume ${precision}`;
    const { code, stderr } = await place.foreword(line);
    assertEquals(code, 0, stderr);
    assertMatch(stderr, /^auto: WASM, which the run was on so far$/m);
    assert(!stderr.includes("warning"), stderr);
  }
  assertEquals(await metricsOf(place, "base"), before);
});

Deno.test("descriptions of devices are read back, whatever a GPU is called", () => {
  assertEquals(placeOf("WASM relaxed, 4x8 tiles, 2 threads"), {
    device: "wasm",
    precision: "f32",
    by: "WASM relaxed",
  });
  const card = "WebGPU on Card, revision 2";
  assertEquals(placeOf(card), { device: "webgpu", precision: "f32", by: card });
  assertEquals(placeOf(`${card} in half precision`), { device: "webgpu", precision: "f16", by: card });
  assertEquals(placeOf("float64 reference, 1 thread")?.device, "reference");
  assertEquals(placeOf("abacus"), null);
});

Deno.test("a run that goes on elsewhere is told what differs", () => {
  const card = "WebGPU on Card, revision 2", halves = `${card} in half precision`;
  const bits = "on this device the losses will differ in their last bits";
  const coarse = (precision: string) =>
    `in ${precision} the losses will differ by about as much as halves are coarse`;
  const relaxed = "WASM relaxed, 4x8 tiles, 2 threads", simd = "WASM simd, 4x8 tiles, 2 threads";
  assertEquals(otherDevice(relaxed, "WASM relaxed, 6x8 tiles, 1 thread"), null);
  assertEquals(otherDevice(halves, halves), null);
  assertEquals(otherDevice(relaxed, simd), `it was trained on ${relaxed}; ${bits}`);
  assertEquals(otherDevice(card, "WebGPU on Card, revision 3"), `it was trained on ${card}; ${bits}`);
  assertEquals(otherDevice(halves, card), `it was trained on ${halves}; ${coarse("f32")}`);
  assertEquals(otherDevice(card, halves), `it was trained on ${card}; ${coarse("f16")}`);
  assertEquals(otherDevice(halves, relaxed), `it was trained on ${halves}; ${coarse("f32")}`);
});
