// `foreword prepare` as a process: threads, a stop by Ctrl-C and going on, a stream from stdin to stdout, training on what it
// made, and its errors.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { Random } from "../src/core/random.ts";
import { folder } from "../src/platform/fs.ts";
import { openTokenizer } from "../src/text/open_tokenizer.ts";
import { readPrepared } from "../src/text/prepare/prepared.ts";
import { makePlace, type Place } from "./cli_support.ts";

const MAIN = new URL("../src/cli/main.ts", import.meta.url).pathname;
const CONFIG = new URL("../deno.json", import.meta.url).pathname;

async function withCorpus(check: (place: Place) => Promise<void>): Promise<void> {
  const place = await makePlace();
  try {
    await place.json("tokenizer train --corpus corpus.txt --vocab-size 200 --out tok");
    const text = await place.read("corpus.txt"), stories = text.split("\n\n");
    await place.write("in.jsonl", stories.map((text) => JSON.stringify({ text }) + "\n").join("").repeat(40));
    await check(place);
  } finally {
    await place.remove();
  }
}

async function shards(place: Place, folder: string): Promise<string> {
  const files = Object.entries(await place.tree(folder)).filter(([name]) => name.endsWith(".tokens"));
  return files.sort().map(([, bytes]) => bytes).join("");
}

/** Runs the command with bytes on stdin. */
async function filter(place: Place, input: Uint8Array, ...args: string[]): Promise<Uint8Array> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--config", CONFIG, MAIN, "prepare", ...args],
    cwd: place.path,
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const output = child.output(), writer = child.stdin.getWriter(); // both at once, or the pipes fill up
  await writer.write(input);
  await writer.close();
  const { code, stdout } = await output;
  assertEquals(code, 0);
  return stdout;
}

Deno.test("prepare: threads, a stream and an interrupted run give the same ids, which train a model", async () => {
  await withCorpus(async (place) => {
    const prepared = "prepare in.jsonl --tokenizer tok --shard-mb 1";
    const one = await place.json<{ tokens: number; shards: number }>(`${prepared} --out one --threads 1`);
    assert(one.shards > 1);
    assertEquals((await place.json<typeof one>(`${prepared} --out two --threads 2`)).tokens, one.tokens);
    assertEquals(await shards(place, "two"), await shards(place, "one"));

    const child = place.start(`${prepared} --out three --threads 2`),
      stderr = new Response(child.stderr).text();
    const ended = child.status,
      begun = async () => Object.keys(await place.tree("three")).some((name) => name.endsWith(".tokens"));
    let running = true;
    ended.then(() => running = false);
    while (running && !await begun()) await new Promise((resolve) => setTimeout(resolve, 5));
    if (running) child.kill("SIGINT");
    const [{ code }, said] = await Promise.all([ended, stderr, child.stdout.cancel()]);
    assert(code === 130 || code === 0, `exit code ${code}: ${said}`);
    assertEquals((await place.json<typeof one>(`${prepared} --out three`)).tokens, one.tokens);
    assertEquals(await shards(place, "three"), await shards(place, "one"));

    const input = await Deno.readFile(`${place.path}/in.jsonl`);
    const stream = await filter(
      place,
      input,
      "--stdin",
      "--stdout",
      "--format",
      "jsonl",
      "--tokenizer",
      "tok",
    );
    assertEquals(stream.length, 2 * one.tokens);

    const trained = await place.json<{ steps: number }>(
      "pretrain --corpus one --tokenizer tok --model nano --steps 2 --batch 2 --device wasm --out run",
    );
    assertEquals(trained.steps, 2);
  });
});

Deno.test("prepare: killed at any moment and started again, it gives the same files", async () => {
  await withCorpus(async (place) => {
    const seed = Number(Deno.env.get("FOREWORD_CRASH_SEED") ?? Date.now() % 2 ** 32);
    const random = new Random(seed, "prepare");
    const delays = Array.from({ length: 4 }, () => 150 + random.below(700));
    console.log(`seed ${seed}: killed after ${delays.join(", ")} ms`);
    const files = async (of: string) =>
      Object.entries(await place.tree(of)).map(([name, bytes]) => [name.slice(of.length), bytes]).sort();
    for (const [name, flag] of [["all", ""], ["kept", "--drop-duplicates"]]) {
      const line = `prepare in.jsonl --tokenizer tok --shard-mb 1 ${flag}`, killed = `${name}-killed`;
      await place.json(`${line} --threads 1 --out ${name}`);
      for (const delay of delays.splice(0, 2)) {
        const child = place.start(`${line} --threads 2 --out ${killed}`);
        const timer = setTimeout(() => child.kill("SIGKILL"), delay);
        await child.output();
        clearTimeout(timer);
      }
      await place.json(`${line} --out ${killed}`);
      assertEquals(await files(killed), await files(name));
    }
  });
});

Deno.test("prepare: every kind of tokenizer, with its separator, and a model trained on it", async () => {
  await withCorpus(async (place) => {
    await place.json("tokenizer train --corpus corpus.txt --type byte-bpe --vocab-size 300 --out bytes");
    await place.json("tokenizer train --corpus corpus.txt --type wordpiece --vocab-size 200 --out pieces");
    const lines = (await place.read("in.jsonl")).split("\n").slice(0, 3);
    const texts = lines.map((line) => JSON.parse(line).text);
    await place.write("few.jsonl", lines.join("\n"));
    for (
      const [name, flags, after] of [["bytes", "", [299]], ["pieces", "--separator [SEP]", [3]]] as const
    ) {
      await place.json(`prepare few.jsonl --tokenizer ${name} ${flags} --out of-${name}`);
      const storage = folder(place.path), tokenizer = await openTokenizer(storage, name);
      const { tokens, index } = await readPrepared(storage, `of-${name}`, tokenizer);
      assertEquals(Array.from(tokens), texts.flatMap((text) => [...tokenizer.encode(text), ...after]), name);
      assertEquals([index.documents, index.separator], [texts.length, after[0]]);
    }
    const run =
      "pretrain --corpus of-bytes --tokenizer bytes --model nano --steps 2 --batch 2 --device wasm --out run";
    assertEquals((await place.json<{ steps: number }>(run)).steps, 2);
  });
});

Deno.test("prepare says what is wrong in one line", async () => {
  await withCorpus(async (place) => {
    await place.write("bad.jsonl", '{"text":"a"}\n{"txt":"b"}\n');
    const cases: [string, RegExp][] = [
      ["prepare --tokenizer tok --out o", /^error: Name the files or folders to prepare, or give --stdin\n$/],
      ["prepare in.jsonl --tokenizer tok", /^error: Give --out/],
      ["prepare in.jsonl --tokenizer tok --stdout", /^error: --stdout goes with --stdin/],
      [
        "prepare --stdin --stdout --tokenizer tok",
        /^error: --stdin needs --format text or --format jsonl\n$/,
      ],
      [
        "prepare in.jsonl --tokenizer tok --out o --separator <s>",
        /^error: --separator <s> is not a special token of tok/,
      ],
      [
        "prepare bad.jsonl --tokenizer tok --out o",
        /^error: Cannot read line 2 of bad.jsonl: its field "text" is missing/,
      ],
      [
        "prepare none.jsonl --tokenizer tok --out o",
        /^error: Cannot read none.jsonl: there is no such file or folder/,
      ],
      ["prepare in.jsonl --tokenizer none --out o", /^error: Cannot load a tokenizer from none/],
    ];
    for (const [line, message] of cases) {
      const { code, stderr } = await place.foreword(line);
      assertMatch(stderr, message, line);
      assertEquals(code, 1);
    }
  });
});
