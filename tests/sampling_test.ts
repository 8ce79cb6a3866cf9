// Sampling against distributions worked out by hand: the chance is swept over a fine grid, so that the share of a token is
// its probability.

import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { checkSampling, sample, type Sampling } from "../src/train/sampling.ts";

const logits = [0.2, 0.5, 0.3].map(Math.log); // in an order that is not by rank

function shares(settings: Sampling, of: readonly number[] = logits): number[] {
  const counts = new Array<number>(of.length).fill(0), n = 10_000;
  for (let i = 0; i < n; i++) counts[sample(of, (i + 0.5) / n, settings)]++;
  return counts.map((count) => count / n);
}

const cases: readonly (readonly [Sampling, readonly number[]])[] = [
  [{}, [0.2, 0.5, 0.3]],
  [{ temperature: 0 }, [0, 1, 0]],
  [{ temperature: 1e-6 }, [0, 1, 0]],
  [{ temperature: 0.5 }, [0.04 / 0.38, 0.25 / 0.38, 0.09 / 0.38]],
  [{ temperature: 2 }, [0.262765, 0.415468, 0.321767]], // square roots, divided by their sum 1.701834
  [{ topK: 1 }, [0, 1, 0]],
  [{ topK: 2 }, [0, 0.625, 0.375]],
  [{ topK: 99 }, [0.2, 0.5, 0.3]],
  [{ topP: 0.49 }, [0, 1, 0]],
  [{ topP: 0.51 }, [0, 0.625, 0.375]],
  [{ topP: 0.79 }, [0, 0.625, 0.375]],
  [{ topP: 0.81 }, [0.2, 0.5, 0.3]],
  [{ topP: 1e-9 }, [0, 1, 0]],
  // Temperature comes first: 0.25 / 0.38 = 0.658 alone reaches 0.65.
  [{ temperature: 0.5, topP: 0.65 }, [0, 1, 0]],
  // Then top-k, whose survivors are 0.625 and 0.375: the first alone reaches 0.6.
  [{ topK: 2, topP: 0.6 }, [0, 1, 0]],
];

Deno.test("shares of tokens are those computed by hand", () => {
  for (const [settings, expected] of cases) {
    shares(settings).forEach((share, i) =>
      assertAlmostEquals(share, expected[i], 2e-4, `${JSON.stringify(settings)}, token ${i}`)
    );
  }
});

Deno.test("a constant added to all logits changes nothing, however large", () => {
  for (const [settings, expected] of cases) {
    const shifted = shares(settings, logits.map((logit) => logit + 1000));
    shifted.forEach((share, i) => assertAlmostEquals(share, expected[i], 2e-4));
  }
});

Deno.test("equal logits rank by token number", () => {
  assertEquals(sample([1, 2, 2, 2], 0.99, { temperature: 0 }), 1);
  assertEquals(shares({ topK: 2 }, [0, 1, 1, 1]), [0, 0.5, 0.5, 0]);
  assertEquals(shares({ topP: 0.3 }, [1, 1, 1]), [1, 0, 0]);
});

Deno.test("tokens that cannot come do not come", () => {
  assertEquals(shares({}, [-Infinity, 0, -Infinity]), [0, 1, 0]);
  assertEquals(sample([0, -Infinity], 1 - 2 ** -53), 0);
});

Deno.test("logits that are not numbers are an error, not a token", () => {
  for (const spoilt of [[0, NaN], [Infinity, 0], [-Infinity, -Infinity]]) {
    for (const settings of [{}, { temperature: 0 }, { topK: 1 }, { topP: 0.5 }]) {
      assertThrows(() => sample(spoilt, 0.5, settings), RangeError, "spoilt");
    }
  }
});

Deno.test("settings that make no sense are refused by name", () => {
  for (
    const [settings, name] of [
      [{ temperature: -1 }, "Temperature"],
      [{ temperature: NaN }, "Temperature"],
      [{ temperature: Infinity }, "Temperature"],
      [{ topK: 0 }, "Top-k"],
      [{ topK: 1.5 }, "Top-k"],
      [{ topP: 0 }, "Top-p"],
      [{ topP: 1.01 }, "Top-p"],
      [{ topP: NaN }, "Top-p"],
    ] as const
  ) {
    assertThrows(() => checkSampling(settings), RangeError, name);
  }
  checkSampling({ temperature: 0, topK: 1, topP: 1 });
});
