// The command line on a GPU: training, resuming, fine-tuning, scoring and generation with --device webgpu, in both
// precisions. That the numbers are right is shown by tests of the library; here every command is seen to take the flags.

import { assert, assertAlmostEquals, assertEquals, assertMatch } from "@std/assert";
import { FINETUNE, makePlace, makeTokenizer, metricsOf, PRETRAIN } from "./cli_support.ts";
import { webGpuTest } from "./webgpu_support.ts";

webGpuTest("commands compute on the GPU, with f32 and with halves", async () => {
  const place = await makePlace(), run = `${PRETRAIN} --model nano --tokenizer tok --steps 6`;
  try {
    await makeTokenizer(place);
    await place.json(`${run} --out cpu --device wasm`);
    const want = (await metricsOf(place, "cpu")).map((line) => JSON.parse(line).loss);
    for (const [precision, tolerance] of [["f32", 1e-3], ["f16", 1e-2]] as const) {
      const flags = `--device webgpu --precision ${precision}`, out = `gpu-${precision}`;
      await place.json(`${run} --out ${out} ${flags}`);
      const steps = (await metricsOf(place, out)).map((line) => JSON.parse(line));
      assertEquals(steps.length, want.length);
      steps.forEach(({ loss, lossScale }, i) => {
        assertAlmostEquals(loss, want[i], tolerance * want[i]);
        assertEquals(lossScale, precision === "f16" ? 65536 : undefined);
      });
      const { stderr } = await place.foreword(`${run} --out ${out} --resume --device auto`);
      assertMatch(
        stderr,
        precision === "f16" ? /^auto: WebGPU in half precision, which/m : /^auto: WebGPU, which/m,
      );
      const device = (stderr.match(/WebGPU on .*/) ?? [""])[0];
      assertEquals(device.includes("in half precision"), precision === "f16", stderr);
      assert(!stderr.includes("warning"), stderr);
      // A precision that is given outweighs the run's own.
      for (const given of ["f32", "f16"]) {
        const again = await place.foreword(`${run} --out ${out} --resume --device auto --precision ${given}`);
        assertEquals(again.code, 0, again.stderr);
        assertMatch(
          again.stderr,
          given === "f16" ? /^auto: WebGPU in half precision, which/m : /^auto: WebGPU, which/m,
        );
        const warning = again.stderr.includes(
          `in ${given} the losses will differ by about as much as halves`,
        );
        assertEquals(warning, given !== precision, again.stderr);
      }

      await place.json(`${FINETUNE} --model ${out} --out ${out}-classifier ${flags}`);
      const scores = await place.json(`evaluate --model ${out}-classifier --data test.tsv ${flags}`);
      assert(Object.values(scores as object).length > 0);
      const { text } = await place.json<{ text: string }>(
        `generate --model ${out} --max-tokens 8 ${flags}`,
        "--prompt",
        "Once",
      );
      assert(text.length > 4);
    }
  } finally {
    await place.remove();
  }
});
