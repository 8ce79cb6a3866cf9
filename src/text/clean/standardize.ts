// The spacing of GPT-1's text pipeline: `standardize` is the released code's text_standardize, in both forms in which it
// went round. What comes before it (ftfy) is fix_text.ts; what splits its result into words is not here.

import { PYTHON_SPACE } from "./spaces.ts";

/**
 * Which text_standardize: the one in GPT-1's own repository, or Hugging Face's later copy. They differ in one thing. In
 * the first, the pattern for backslashes degenerated into another `+`, so a run of backslashes is not set apart.
 */
export type StandardizeVariant = "original" | "hugging-face";

const RUNS: Readonly<Record<StandardizeVariant, RegExp>> = {
  "original": /([-~!";?+,)(/*[\]}{|_])\1*/g,
  "hugging-face": /([-~!";?+,)(\\/*[\]}{|_])\1*/g,
};
const SPACES = new RegExp(`[${PYTHON_SPACE}]+`, "g");

/**
 * GPT-1's clean-up of spacing and punctuation: dashes, ellipses and acute accents become ASCII, runs of one
 * punctuation mark are set apart by spaces, and white space is one space or, where it holds a line break, a newline
 * between two spaces. Case is kept.
 *
 * @example
 * ```ts
 * import { standardize } from "@foreword/foreword";
 * import { assertEquals } from "@std/assert";
 * assertEquals(standardize("well--known, isn´t it?!"), "well -- known , isn't it ? !");
 * assertEquals(standardize("a\\b"), "a\\b");
 * assertEquals(standardize("a\\b", "hugging-face"), "a \\ b");
 * ```
 */
export function standardize(text: string, variant: StandardizeVariant = "original"): string {
  return text
    .replace(/[\u2013-\u2015]/g, "-")
    .replace(/\u2026/g, "...")
    .replace(/\u00b4/g, "'")
    .replace(RUNS[variant], " $& ")
    // The original makes two passes (around newlines, then the rest). Whole runs in one pass give the same text and
    // stay linear where `\s*\n\s*` is quadratic on long blanks.
    .replace(SPACES, (run) => run.includes("\n") ? " \n " : " ")
    .replace(/^[ \n]+|[ \n]+$/g, "");
}
