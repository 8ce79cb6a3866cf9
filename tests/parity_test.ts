// The tiny GPT-1 against figures derived independently of this code (a two-layer, eight-channel model whose weights follow
// a fill rule): losses, gradients and six optimizer steps. The float64 reference must agree to the last printed digit;
// other devices join `devices` with the tolerance of their arithmetic.

import { assert, assertEquals } from "@std/assert";
import { config, filled, type Parity, parity } from "../scripts/parity_model.ts";
import { openReference } from "../src/backends/reference.ts";
import type { Device } from "../src/backends/backend.ts";
import { openWasm } from "../src/backends/wasm/device.ts";
import { openWebGpu } from "../src/backends/webgpu/device.ts";
import { Graph } from "../src/graph/graph.ts";
import { plan } from "../src/graph/plan.ts";
import { hidden, parameterSpecs, table } from "../src/models/gpt1.ts";
import { causalAttention, project } from "../src/nn/layers.ts";
import { layOut, parametersOf } from "../src/nn/parameters.ts";
import { testOn } from "./webgpu_support.ts";

interface Tested {
  readonly name: string;
  open(): Device | Promise<Device>;
  /** Allowed distance from a figure printed with this many decimals. */
  tolerance(expected: number, decimals: number): number;
}

const devices: readonly Tested[] = [
  { name: "reference", open: openReference, tolerance: (_, decimals) => 0.501 * 10 ** -decimals },
  ...(["relaxed", "simd"] as const).flatMap((build) =>
    [1, 2].map((threads): Tested => ({
      name: `WASM ${build}, ${threads} thread${threads === 1 ? "" : "s"}`,
      open: () => openWasm({ build, threads, poison: true }),
      tolerance: (expected) => 1e-5 * Math.max(1, Math.abs(expected)),
    }))
  ),
  {
    name: "WebGPU",
    open: () => openWebGpu({ poison: true }),
    tolerance: (expected) => 1e-5 * Math.max(1, Math.abs(expected)),
  },
];

type Check = (
  what: string,
  actual: ArrayLike<number>,
  expected: readonly number[],
  decimals?: number,
) => void;

const checkOf = (tolerance: Tested["tolerance"]): Check => (what, actual, expected, decimals = 8) => {
  assertEquals(actual.length, expected.length, what);
  expected.forEach((value, i) => {
    const distance = Math.abs(actual[i] - value); // NaN fails too
    assert(distance <= tolerance(value, decimals), `${what}[${i}] is ${actual[i]}, not ${value}`);
  });
};

// Places at which gradients are known: tensor number, flat index, value.
const GRADIENTS: readonly (readonly [tensor: number, index: number, value: number])[] = [
  [0, 0, -.01777223],
  [0, 11 * 8, -.06644358],
  [0, 13 * 8 + 3, .03598673],
  [0, 14 * 8, -.06078757],
  [0, 19 * 8 + 7, -.01227202],
  [1, 0, -.00070496],
  [2, 5, .00109161],
  [3, 0, -.01192025],
  [5, 2, .02795261],
  [7, 10, -.00308669],
  [9, 100, -.00926396],
  [12, 1, .00211338],
  [13, 0, -.00051351],
  [24, 3, -.00907774],
  [25, 0, .09486379],
  [25, 7, .0341894],
  [26, 0, 0],
];

function checkForward(check: Check, result: Parity): void {
  check("token losses", result.tokenLosses, [2.17432348, 4.89943496, 4.20759829, 3.0190321, 2.89108768]);
  check("losses per sequence", result.lm, [3.4382953, 3.39640498, 3.05115133, 2.80640403]);
  check("choice scores", result.logits, [.33364188, .38715856, .33326157, .32106867]);
  check("classifier losses", result.classifier, [.72026348, .69926222]);
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  check("means", [mean(result.classifier), mean(result.lm)], [.7097628494, 3.1730639079], 10);
  check("total", [result.total], [2.2962948033], 10);
}

for (const { name, open, tolerance } of devices) {
  const check = checkOf(tolerance);
  testOn(name)(`tiny GPT-1 on ${name}: losses, gradients and six updates`, async () => {
    const device = await open(), result = await parity(device);
    checkForward(check, result);
    check("gradient norm", [result.gradientNorm], [.73253896]);
    assertEquals(result.gradients.length, 27);
    for (const [tensor, i, value] of GRADIENTS) {
      check(`d/T${tensor} at ${i}`, [result.gradients[tensor][i]], [value]);
    }
    const losses = [2.2962948033, 2.2239980875, 2.1216482393, 2.0376049387, 1.9650128920, 1.9064525466];
    check("loss before the first update", result.losses.slice(0, 1), [2.2962948033], 10);
    check("loss after each update", result.losses.slice(1), losses, 10);
    check("T1[0,0], T2[0]", [result.parameters[1][0], result.parameters[2][0]], [-.28373104, -.08756279]);
    device.close();
  });

  testOn(name)(`tiny GPT-1 on ${name}: clipping at norm 0.5`, async () => {
    const device = await open(), { losses } = await parity(device, { maxNorm: 0.5 });
    check("loss after each update", losses.slice(1, 5), [
      2.2962948033,
      2.2239984693,
      2.1213836812,
      2.0382879804,
    ], 10);
    device.close();
  });

  testOn(name)(`tiny GPT-1 on ${name}: hidden states and logits`, async () => {
    const device = await open(), layout = layOut(parameterSpecs(config, 1)), graph = new Graph("gpt1");
    const p = parametersOf(graph, layout), ids = graph.input("ids", [1, 6, 2], "i32");
    const attend = causalAttention(graph.input("lengths", [1], "i32"), null, {
      heads: config.heads,
      rate: 0,
    });
    const we = table(p, config, null), h = hidden(p, config, we, ids, { attend, rng: null });
    const store = device.createStore(layout.pages);
    for (const [k, { name, shape, place }] of layout.segments.entries()) {
      await store.write(place.page, place.offset, filled(name, shape, k, [31, 17, 101, 7]));
    }
    const { last, logits } = await device.load(plan(graph, { last: h, logits: project(h, we) }), store).run({
      ids: Int32Array.from([11, 3, 5, 12, 7, 13].flatMap((id, t) => [id, 14 + t])),
      lengths: Int32Array.of(6),
    });
    check(
      "h of position 5",
      last.subarray(5 * 8),
      [-.71342326, -.26524745, -1.33464, .6680566, -.71233665, 1.77657189, .87003362, -.43040183],
    );
    check(
      "logits of position 0",
      logits.subarray(0, 20),
      [
        [
          .61301862,
          1.48989102,
          .5615377,
          1.42757784,
          .48839227,
          -1.14997653,
          .22895084,
          1.31832373,
          -1.19519557,
        ],
        [.41248067, -1.25296876, .66479754, .05563127, .93701732, .3170188, .66045138, .27461785, .60721818],
        [.2105524, .77731772],
      ].flat(),
    );
    device.close();
  });
}
