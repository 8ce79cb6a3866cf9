// The pure parts of the benchmarks: what is counted, how rows are called and printed, who takes turns when and what makes
// a race invalid. Nothing here looks at a clock's reading.

import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import type { Contestant, Entrant, Turn } from "../bench/contest.ts";
import { plotOf, type Point } from "../bench/growth_plot.ts";
import { sizeOfShape } from "../bench/growth.ts";
import { median } from "../bench/measure.ts";
import { movedBytes, operationsOf, slugOf, timedCases } from "../bench/op_cases.ts";
import { enterAll, race, requireAgreement } from "../bench/race.ts";
import { line, reportOf, type Row } from "../bench/report.ts";
import { flagRatio } from "../bench/runtimes.ts";
import { allSizes, trainingFlops } from "../bench/sizes.ts";
import { rowOf } from "../bench/text.ts";
import { findText, makeText } from "../bench/text_data.ts";
import type { Finding, TextPeer } from "../bench/text_job.ts";
import { measureText } from "../bench/text_subject.ts";
import { firstShare, prefix, trainUpTo } from "../bench/text_train.ts";
import { idsDiffer, takeFresh, takeTurns } from "../bench/text_turns.ts";
import { worstTexts } from "../bench/text_worst.ts";
import { Graph } from "../src/graph/graph.ts";
import { plan, type Step } from "../src/graph/plan.ts";
import { ops } from "../src/ops/mod.ts";

Deno.test("the median is the middle value, or the mean of the two in the middle", () => {
  assertEquals(median([3, 1, 2]), 2);
  assertEquals(median([4, 1, 3, 2]), 2.5);
});

const product = (): Step[] => {
  const graph = new Graph("g"), a = graph.input("a", [6, 4], "f32"), b = graph.input("b", [4, 8], "f32");
  const y = graph.apply(ops.matmul, [a, b], { ta: false, tb: false })[0];
  const into = graph.apply(ops.matmulInto, [a, b, y], { ta: false, tb: false })[0];
  return [...plan(graph, { into }).steps];
};

Deno.test("a product counts 2 M N K operations and its operands and result once, or twice where it adds", () => {
  const [first, second] = product();
  assertEquals([first.op, second.op], ["matmul", "matmulInto"]);
  assertEquals(operationsOf([first, second]), 2 * 2 * 6 * 8 * 4);
  assertEquals(movedBytes([first]), 4 * (24 + 32 + 48));
  assertEquals(movedBytes([second]), 4 * (24 + 32 + 2 * 48));
  assertEquals([first, second].map(slugOf), ["gemm-6x4x8", "gemm-into-6x4x8"]);
});

Deno.test("rows of ops have names of their own, the product among them, and every case is checked or a part of one", () => {
  const cases = timedCases(true), names = cases.map(({ name }) => name);
  assertEquals(new Set(names).size, names.length);
  assert(names.includes("gemm-480x768x768"));
  for (const name of names) assertMatch(name, /^[a-z0-9-]+$/);
  for (const { checks, repeated, moved, workingSet } of cases) {
    assert(checks.length > 0 || repeated);
    assert(moved > 0 && workingSet > 0);
  }
  const attention = cases.find(({ name }) => name === "attention-b2-t512-h12-d64-forward-backward")!;
  assertEquals(attention.flops, 6 * 64 * 32 ** 2); // one sequence, one head
});

Deno.test("a training step counts 6 operations for each weight and token, and attention's products", () => {
  const [size] = allSizes(false);
  assertEquals(size.name, "s");
  assertEquals(trainingFlops(size), 6 * (12 * 4 * 128 ** 2 + 2048 * 128) * 2048 + 12 * 4 * 128 * 128 * 2048);
});

Deno.test("a shape of the growth benchmark becomes the model of those sizes", () => {
  const { config, batch } = sizeOfShape({ B: 3, T: 16, L: 2, C: 64, V: 99 });
  assertEquals([batch, config.context, config.layers, config.channels, config.heads, config.vocabSize], [
    3,
    16,
    2,
    64,
    2,
    99,
  ]);
});

Deno.test("a runtime with a flag is compared with the one without", () => {
  const seconds = new Map([["node", 3], ["node --fast", 2], ["deno --fast", 1]]);
  assertEquals(flagRatio(seconds, "node --fast"), { ratioTo: { node: 1.5 } });
  assertEquals(flagRatio(seconds, "node"), {});
  assertEquals(flagRatio(seconds, "deno --fast"), {});
});

// A contestant whose turns take as many seconds as it says, and that notes when it is asked.
function contestant(name: string, seconds: readonly number[], value: number, asked: string[]): Contestant {
  let turns = 0;
  const turn = (): Turn => ({
    seconds: seconds[Math.min(turns++, seconds.length - 1)],
    values: [value],
    resident: 0,
  });
  const first = turn();
  return {
    name,
    startup: 0,
    first,
    turn: () => (asked.push(name), Promise.resolve(turn())),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

Deno.test("contestants take turns, and only turns after the warm-up count", async () => {
  const asked: string[] = [];
  const a = contestant("a", [9, 9, 1, 2, 3], 5, asked), b = contestant("b", [8, 8, 4, 4, 6], 5, asked);
  assertEquals(await race([a, b], { warm: 2, least: 3 }), [2, 4]);
  assertEquals(asked.join(""), "ab".repeat(4));
});

Deno.test("a contestant that computes something else is not timed", async () => {
  const a = contestant("a", [1], 5, []), b = contestant("b", [1], 5.1, []);
  await assertRejects(() => race([a, b]), Error, "b computes 5.1 where a computes 5: not timed");
  const turn = (...values: number[]): Turn => ({ seconds: 1, values, resident: 0 });
  requireAgreement("a", turn(100, 0), "b", turn(100, 0.05), 1e-3);
  for (const wrong of [turn(100, 0.2), turn(100, NaN), turn(100), turn(100, 0, 0)]) {
    assertThrows(() => requireAgreement("a", turn(100, 0), "b", wrong, 1e-3), Error, "not timed");
  }
});

// A program that answers each line with a turn, its values those of the job's file in the folder that it is given.
const program = (body: string): readonly string[] => [Deno.execPath(), "eval", body];
const answering = `
  const values = JSON.parse(await Deno.readTextFile(Deno.args[0] + "/values.json"));
  for await (const _ of Deno.stdin.readable) console.log(JSON.stringify({ seconds: 1, values, resident: 0 }));`;

Deno.test("a contestant is a program that answers lines; one that cannot start is left out, unless it is the first", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/values.json`, "[1, 2, 3]");
    const good: Entrant = { name: "good", command: program(answering) };
    const bad: Entrant = { name: "bad", command: program(`throw new Error("no such library")`) };
    {
      await using contestants = await enterAll([good, bad], folder);
      assertEquals(contestants.present.map(({ name }) => name), ["good"]);
      const [{ first, turn }] = contestants.present;
      assertEquals([first.values, (await turn()).values], [[1, 2, 3], [1, 2, 3]]);
    }
    await assertRejects(
      () => enterAll([bad, good], folder),
      Error,
      "bad ended before its turn did: error: Uncaught",
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("ids differ in the first that is not the same, or in their number", () => {
  assertEquals(idsDiffer(Uint16Array.of(1, 2), [1, 2]), null);
  assertEquals(idsDiffer([1, 2, 3], [1, 5]), "gives 5 as id 1 where ours is 2");
  assertEquals(idsDiffer([1, 2], [1]), "gives 1 ids where ours are 2");
});

Deno.test("tokenizers take turns; one that gives other ids, or fails, is not timed", async () => {
  const asked: string[] = [];
  const taker = (name: string, run: () => number[]) => ({ name, run: () => (asked.push(name), run()) });
  const fail = (): number[] => {
    throw new Error("no memory");
  };
  const takers = [
    taker("a", () => [1]),
    taker("b", () => [2]),
    taker("c", () => [1]),
    taker("d", fail),
  ];
  const { cold, warm, left } = await takeTurns(takers, idsDiffer, { seconds: 0, least: 2 });
  assertEquals([[...cold.keys()], [...warm.keys()]], [["a", "c"], ["a", "c"]]);
  assertEquals(left, ["b gives 2 as id 0 where ours is 1: not timed", "d fails: no memory"]);
  assertEquals(asked.join(""), "abcd" + "ac".repeat(3));
});

Deno.test("hard texts are as many bytes as asked for, the same for the same seed", () => {
  for (const make of Object.values(worstTexts)) {
    assertEquals(new TextEncoder().encode(make(1600, 1)).length, 1600);
    assertEquals(make(1600, 1), make(1600, 1));
  }
  assert(worstTexts.base64(1600, 1) !== worstTexts.base64(1600, 2));
});

Deno.test("every turn gets a text made for it, and the first turn does not count", () => {
  const made: string[] = [];
  const makers = [(turn: number) => `a${turn}`, (turn: number) => `b${turn}`];
  const times = takeFresh(makers, (text) => void made.push(text), { seconds: 0, least: 2 });
  assertEquals(made.join(" "), "a0 b0 a1 b1 a2 b2");
  assertEquals(times.length, 2);
});

Deno.test("a share of documents is cut from the last of them, and never within a character", () => {
  assertEquals(firstShare(["abcd", "efgh", "ij"], 1 / 2), ["abcd", "e"]);
  assertEquals(firstShare(["abcd", "ef"], 1), ["abcd", "ef"]);
  assertEquals([1, 2, 3].map((units) => prefix("a😀b", units)), ["a", "a", "a😀"]);
});

Deno.test("a tokenizer that the text cannot yield is trained as large as it can be", async () => {
  const sizes: number[] = [];
  const train = (vocabSize: number): Promise<string> => {
    sizes.push(vocabSize);
    return vocabSize <= 300
      ? Promise.resolve("trained")
      : Promise.reject(new RangeError("this text yields at most 300 (44 pairs)"));
  };
  assertEquals(await trainUpTo(train, 299), { tokenizer: "trained", vocabSize: 299 });
  assertEquals(await trainUpTo(train, 500), { tokenizer: "trained", vocabSize: 300 });
  assertEquals(sizes, [299, 500, 300]);
  await assertRejects(() => trainUpTo(() => Promise.reject(new TypeError("at most 3")), 9), TypeError);
});

Deno.test("made text is found by the layout that a user's folder has, and every part of it is measured", async () => {
  const root = await Deno.makeTempDir();
  try {
    const made = await makeText(root, true), found = await findText(root);
    assertEquals([made.published, found.published, found.missing], [false, true, []]);
    assertEquals([made.documents.length, made.documents], [5, found.documents]);
    assertEquals([made.tokenizers, made.tokenizers.wordpiece?.type], [found.tokenizers, "bert-uncased"]);
    const wrong: TextPeer = { encode: () => [0] };
    const peer = (peer: TextPeer, fixed = false) => ({ fixed, open: () => Promise.resolve(peer) });
    const peers = { gpt2: { wrong: peer(wrong), published: peer(wrong, true) }, gpt1: {} };
    const findings: Finding[] = [], parts = ["encode", "decode", "worst"] as const;
    await measureText({ ...made, parts, quick: true }, peers, (finding) => findings.push(finding));
    const rows = findings.map((finding) => rowOf(finding, "deno")).filter((row) => row !== null);
    const names = rows.map(({ name }) => name), kinds = ["gpt2", "wordpiece", "gpt1"];
    const expected = kinds.flatMap((kind) => [
      ...["encode", "encode-cold", "decode", "decode-cold"].map((part) => `${kind}-${part}`),
      ...Object.keys(worstTexts).flatMap((text) => [`${kind}-worst-${text}`, `${kind}-worst-${text}-growth`]),
    ]);
    assertEquals(names.toSorted(), expected.toSorted());
    assert(
      rows.every(({ bench, runtime, threads }) => bench === "text" && runtime === "deno" && threads === 1),
    );
    const remarks = findings.flatMap((finding) => "remark" in finding ? [finding.remark] : []);
    assertEquals(remarks.length, 2);
    assertMatch(remarks[0], /^skipped: published has GPT-2's published vocabulary only/);
    assertMatch(remarks[1], /^gpt2-encode: wrong gives .*: not timed$/);
    await Deno.remove(`${root}/tok/bert`, { recursive: true });
    assertEquals((await findText(root)).missing, ["wordpiece"]);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});

Deno.test("what a peer did is a row with its name and the runtime's", () => {
  const finding = { name: "gpt2-encode", unit: "MB/s", value: 2 };
  assertEquals(rowOf({ ...finding, who: "tiktoken" }, "node")?.runtime, "tiktoken node");
  assertEquals(rowOf({ ...finding, who: null, ratioTo: { tiktoken: 3 } }, "node"), {
    ...finding,
    bench: "text",
    runtime: "node",
    threads: 1,
    ratioTo: { tiktoken: 3 },
  });
});

const row: Row = { bench: "ops", name: "gemm", runtime: "deno", threads: 2, unit: "GFLOP/s", value: 12.34 };

Deno.test("a row is one line, with its share and its ratios", () => {
  assertMatch(line(row), /^ops gemm +deno +2 +12\.3 GFLOP\/s$/);
  const full = line({ ...row, peakShare: 0.5, ratioTo: { "jax-js": 2, pytorch: 0.75 } });
  assertMatch(full, /50% {2}2\.00x jax-js, 0\.75x pytorch$/);
});

Deno.test("a report is machine, versions and rows, and survives JSON", () => {
  const report = reportOf([row], { node: "24.0.0" });
  assertEquals(Object.keys(report), ["machine", "versions", "rows"]);
  assertEquals(report.versions.node, "24.0.0");
  assertEquals(JSON.parse(JSON.stringify(report)), report);
});

Deno.test("the plot of growth has a line for each size and panel, and no number that is not one", () => {
  const points: Point[] = ["B", "T"].flatMap((symbol) =>
    [0.5, 1, 2].map((factor) => ({ symbol, factor, milliseconds: 10 * factor, bytes: 3e6 * factor }))
  );
  const svg = plotOf(points, { B: 4, T: 8 });
  assertEquals(svg.match(/<path class="line/g)?.length, 4);
  assert(!/NaN|undefined|Infinity/.test(svg));
  assertMatch(svg, /as one size grows from B 4, T 8/);
});

Deno.test("bad flags get one clear sentence", async () => {
  const main = new URL("../bench/main.ts", import.meta.url).pathname;
  const complaints: readonly [flags: readonly string[], sentence: RegExp][] = [
    [["--only", "nothing"], /'nothing' is invalid\. Allowed choices are ops, step, /],
    [["--threads", "0"], /must be a whole number of at least 1/],
    [["--json", "nowhere/at/all.json"], /Cannot write .*: there is no folder nowhere\/at; make it first/],
    [["--only", "text", "--part", "nothing"], /'nothing' is invalid\. Allowed choices are encode, decode, /],
    [["--part", "encode"], /--part names a part of the text benchmark: give --only text as well/],
    [["--only", "text", "--data", "nowhere"], /Cannot measure with nowhere: it has no lm\/novels\/train/],
    [["--only", "ops", "--plot", "x.svg"], /--plot draws growth, which --only ops leaves out/],
  ];
  await Promise.all(complaints.map(async ([flags, sentence]) => {
    const args = ["run", "-A", main, ...flags];
    const { success, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
    const [first] = new TextDecoder().decode(stderr).split("\n");
    assert(!success);
    assertMatch(first, /^error: /);
    assertMatch(first, sentence);
  }));
});
