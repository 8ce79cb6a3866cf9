// The command line `foreword`. Commands live in commands/; here they are put together, and errors become one sentence and
// an exit code: 1 for a mistake or a failure, 130 for an interruption.

import process from "node:process";
import { isMainThread } from "node:worker_threads";
import { Command } from "commander";
import { addDemo } from "./commands/demo.ts";
import { addFinetune } from "./commands/finetune.ts";
import { addInfo } from "./commands/info.ts";
import { addInspect } from "./commands/inspect.ts";
import { addPrepare } from "./commands/prepare.ts";
import { addPretrain } from "./commands/pretrain.ts";
import { addStudy } from "./commands/study.ts";
import { addTokenizer } from "./commands/tokenizer.ts";
import { addUse } from "./commands/use.ts";
import { addWeights } from "./commands/weights.ts";
import { addZeroshot } from "./commands/zeroshot.ts";
import { Interrupted, requireGpuForHalves, say } from "./io.ts";
import { serve } from "./prepare_workers.ts";

const program = new Command("foreword")
  .description("Pre-train, fine-tune and run language models")
  .version("0.1.0")
  .showHelpAfterError("(add --help for the flags)")
  .hook("preAction", (_, command) => requireGpuForHalves(command.opts()));
addTokenizer(program);
addPrepare(program, import.meta.url);
addPretrain(program);
addFinetune(program);
addStudy(program);
addUse(program);
addZeroshot(program);
addWeights(program);
addInfo(program);
addInspect(program);
addDemo(program);

// What the library throws with a sentence meant for people. Anything else is a defect and shows where it happened.
const EXPECTED = [
  "RangeError",
  "TypeError",
  "SyntaxError",
  "NotFound",
  "DamagedCheckpoint",
  "OutOfMemory",
  "NoDevice",
  "DeviceLost",
  "NonFiniteLoss",
  "UsageError",
];

try {
  if (isMainThread) await program.parseAsync(process.argv);
  else await serve(); // a worker of `prepare`
} catch (error) {
  if (!(error instanceof Error)) throw error;
  // Work that a signal aborts has nothing to save: scoring, encoding.
  if (error instanceof Interrupted || error.name === "AbortError") {
    say(error instanceof Interrupted ? error.message : "Stopped. What was saved before is kept.");
    process.exit(130);
  }
  say(EXPECTED.includes(error.name) ? `error: ${error.message}` : `error: ${error.stack ?? error.message}`);
  process.exit(1);
}
