// `deno task parity`: the tiny GPT-1 under any fill constants, on any backend, so that anyone can check Foreword's numbers
// against an implementation of their own.

import { Command, InvalidArgumentError, Option } from "commander";
import { type DeviceName, deviceNames, openDevice, type Recompute, recomputeNames } from "../mod.ts";
import { FILL, type Fill, parity } from "./parity_model.ts";

interface Flags {
  readonly fill: Fill;
  readonly device: DeviceName;
  readonly threads?: number;
  readonly recompute: Recompute;
  readonly json?: boolean;
}

function parseFill(text: string): Fill {
  const values = text.split(",").map(Number);
  if (values.length !== 4 || !values.every((value) => Number.isSafeInteger(value) && value >= 0)) {
    throw new InvalidArgumentError("It must be four whole numbers a,b,c,d of at least 0.");
  }
  return values as unknown as Fill;
}

const flags = new Command("parity")
  .description(
    "Compute the losses of the tiny GPT-1 whose weights follow ((a i² + b i + c k + d) mod 1009) / 504.5 - 1",
  )
  .option("--fill <a,b,c,d>", "constants of the rule", parseFill, FILL)
  .addOption(new Option("--device <name>", "where to compute").choices([...deviceNames]).default("auto"))
  .option("--threads <n>", "threads to use", Number)
  .addOption(
    new Option("--recompute <what>", "what the backward pass computes again").choices([...recomputeNames])
      .default("none"),
  )
  .option("--json", "print JSON")
  .parse()
  .opts<Flags>();

using device = await openDevice({
  device: flags.device,
  ...(flags.threads ? { threads: flags.threads } : {}),
});
const { lm, classifier, total, gradientNorm, losses } = await parity(device, flags);
const result = { lm, classifier, total, gradientNorm, losses: losses.slice(0, 6) };
if (flags.json) {
  console.log(JSON.stringify(result));
} else {
  console.log(`tiny GPT-1, fill ${flags.fill}, on ${device.description}`);
  for (const [name, value] of Object.entries(result)) {
    console.log(name.padEnd(14), [value].flat().map((x) => x.toFixed(10)).join("  "));
  }
}
