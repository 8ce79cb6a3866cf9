// Text clean-up and words: the fact table of GPT-1's text_standardize, Python's white space, and slicing.

import { assertEquals } from "@std/assert";
import { standardize } from "../src/text/clean/standardize.ts";
import { words } from "../src/text/pretokenizers.ts";

const FIXTURES = [
  ['He said—"Wait…"', 'He said - " Wait... "'],
  ["well--known, isn´t it?!", "well -- known , isn't it ? !"],
  ["line one\n\n  line two\t\tend", "line one \n line two end"],
  ["x_y [1] {2} a/b * c+d", "x _ y [ 1 ] { 2 } a / b * c + d"],
  ["e.g. 3.5: ok; $5 & #1 @x %<>=^`~~", "e.g. 3.5: ok ; $5 & #1 @x %<>=^` ~~"],
  ["!!??", "!! ??"],
  ["a\\b  c", "a\\b c"],
  ["", ""],
  [" \t\n ", ""],
  ["a\u2013b\u2015c", "a - b - c"],
  ["a|b\n--\nc", "a | b \n -- \n c"],
];

for (const [input, output] of FIXTURES) {
  Deno.test(`standardize ${JSON.stringify(input)}`, () => assertEquals(standardize(input), output));
}

Deno.test("standardize takes Python's white space, not JavaScript's", () => {
  const spaces = [
    9,
    11,
    12,
    13,
    28,
    29,
    30,
    31,
    32,
    0x85,
    0xa0,
    0x1680,
    0x2028,
    0x2029,
    0x202f,
    0x205f,
    0x3000,
  ];
  for (let code = 0x2000; code <= 0x200a; code++) spaces.push(code);
  for (let code = 0; code < 0x10000; code++) {
    if (code === 10 || (code >= 0xd800 && code < 0xe000)) continue;
    const character = String.fromCharCode(code), result = standardize(`a${character}b`);
    assertEquals(
      result === "a b",
      spaces.includes(code),
      `U+${code.toString(16)} gave ${JSON.stringify(result)}`,
    );
  }
  assertEquals(standardize("a\r\nb"), "a \n b");
});

Deno.test("words: contractions, digits, marks, line breaks", () => {
  const table: [string, string[]][] = [
    ["I'm sure he isn't. CAN'T!", ["i", "'m", "sure", "he", "is", "n't", ".", "ca", "n't", "!"]],
    ["we’ve they'll it’s you'd you're", ["we", "'ve", "they", "'ll", "it", "'s", "you", "'d", "you", "'re"]],
    ["'some' o'clock n'th isn'to", ["'", "some", "'", "o", "'", "clock", "n", "'", "th", "isn", "'", "to"]],
    ["n't 5n't", ["n't", "5", "n't"]],
    ["in 1850,12 costs $3.50...", ["in", "1850", ",", "12", "costs", "$", "3", ".", "50", "..."]],
    ["“Déjà” vu?!! de\u0301ja\u0300", ['"', "déjà", '"', "vu", "?", "!!", "déjà"]],
    ["a\n\n \nb\n", ["a", "\n", "b"]],
    ["a</w>", ["a", "<", "/", "w", ">"]],
    ["北京 ½ \u{1f600}\u{1f600}x", ["北京", "½", "\u{1f600}\u{1f600}", "x"]],
    [" \n\t", []],
  ];
  for (const [text, expected] of table) assertEquals([...words(text)], expected, text);
});

Deno.test("words do not depend on how the text is sliced", () => {
  const text = "\n\n One isn't\n \n--\n\n\ntwo… “three”\r\n four\n \t\n";
  const whole = [...words(text)];
  assertEquals(whole.filter((word) => word === "\n").length, 3);
  for (let slice = 0; slice <= text.length; slice++) {
    assertEquals([...words(text, slice)], whole, `slice ${slice}`);
  }
});

Deno.test("words take time in proportion to the text", () => {
  const began = performance.now();
  assertEquals([...words("n".repeat(2 ** 20))].length, 1);
  assertEquals([...words("-".repeat(2 ** 20) + " ".repeat(2 ** 20) + "x")].length, 2);
  assertEquals([...words(" ".repeat(2 ** 20) + "\n".repeat(2 ** 20))].length, 0);
  assertEquals(performance.now() - began < 5000, true, "quadratic in the length of a run");
});
