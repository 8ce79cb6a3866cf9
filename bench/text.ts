// Tokenizers: encoding and decoding, worst cases and training, by a program of its own under Deno and Node, where peers
// take turns with ours (text_subject.ts, peers/text.js); and `foreword prepare`, as the command it is. Here the programs are
// started and what they say becomes rows.

import { firstError, splitLines } from "./contest.ts";
import { median } from "./measure.ts";
import { installPackages } from "./peer_packages.ts";
import { remark, type Row, type Settings } from "./report.ts";
import { bundle, findNode, output } from "./runtimes.ts";
import { findText, makeText } from "./text_data.ts";
import { type Finding, kinds, type TextData, type TextJob, textParts } from "./text_job.ts";

const path = (name: string): string => new URL(name, import.meta.url).pathname;
const SUBJECT = path("./text_subject.ts"),
  PROGRAM = path("./peers/text.js"),
  CLI = path("../src/cli/main.ts");
const PACKAGES = ["hypertok", "gpt-tokenizer", "tiktoken", "@huggingface/tokenizers"];

/** Measures tokenizers on the text and with the vocabularies of a folder, or on generated ones. */
export async function* benchText(
  { data, part, quick, node, note, threads }: Settings,
): AsyncGenerator<Row, void, undefined> {
  const parts = part === null ? textParts : [part], measured = parts.filter((part) => part !== "prepare");
  const temporary = await Deno.makeTempDir({ prefix: "foreword-bench-" });
  try {
    const text = await textOf(data, quick, `${temporary}/data`);
    if (measured.length > 0) {
      note(Object.fromEntries(await installPackages(PACKAGES)));
      const job: TextJob = { ...text, parts: measured, quick }, program = `${temporary}/subject.mjs`;
      const file = `${temporary}/job.json`, binary = await findNode(node);
      await Deno.writeTextFile(file, JSON.stringify(job));
      await bundle(SUBJECT, program);
      yield* measuring("deno", [Deno.execPath(), "run", "-A", "--no-lock", PROGRAM, program, file]);
      if (binary !== null) {
        note({ node: await output(binary, "-p", "process.versions.node") ?? "unknown" });
        yield* measuring("node", [binary, PROGRAM, program, file]);
      }
    }
    if (parts.includes("prepare")) yield* preparing(text, threads, quick, `${temporary}/prepared`);
  } finally {
    await Deno.remove(temporary, { recursive: true });
  }
}

async function textOf(data: string | null, quick: boolean, folder: string): Promise<TextData> {
  if (data === null) {
    remark(
      "text and tokenizers are made here, so that peers that have GPT-2's published vocabulary only are left out: " +
        "name a folder with --data or FOREWORD_DATA for the comparison (docs/performance.md)",
    );
    await Deno.mkdir(folder);
    return await makeText(folder, quick);
  }
  const { missing, ...found } = await findText(data);
  for (const kind of missing) remark(`skipped: ${data} has no tokenizer for ${kind}`);
  return found;
}

/** What a finding is in the report; `null` for a remark. */
export function rowOf(finding: Finding, runtime: string): Row | null {
  if ("remark" in finding) return null;
  const { who, ...rest } = finding;
  return { bench: "text", runtime: who === null ? runtime : `${who} ${runtime}`, threads: 1, ...rest };
}

async function* measuring(
  runtime: string,
  [program, ...args]: readonly string[],
): AsyncGenerator<Row, void, undefined> {
  const child = new Deno.Command(program, { args, stdin: "null", stdout: "piped", stderr: "piped" }).spawn();
  const complaint = new Response(child.stderr).text();
  for await (const line of child.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(splitLines())) {
    const finding = JSON.parse(line) as Finding, row = rowOf(finding, runtime);
    if (row) yield row;
    if ("remark" in finding) remark(`${runtime}: ${finding.remark}`);
  }
  if (!(await child.status).success) {
    throw new Error(`${runtime} ended before it was done: ${firstError(await complaint)}`);
  }
}

const SHARDS_EACH = 4, RUNS = 3, LEAST = 64; // megabytes, or starting would be most of what is measured

// The whole command, starting and ending included, as users meet it; on copies of a text that is short.
async function* preparing(
  { documents, tokenizers }: TextData,
  threads: readonly number[],
  quick: boolean,
  out: string,
): AsyncGenerator<Row, void, undefined> {
  const sizes = await Promise.all(documents.map(async (file) => (await Deno.stat(file)).size));
  const once = sizes.reduce((sum, size) => sum + size, 0) / 1e6, copies = quick ? 1 : Math.ceil(LEAST / once);
  const input = Array.from({ length: copies }, () => documents).flat(), runs = quick ? 1 : RUNS;
  for (const kind of kinds) {
    const place = tokenizers[kind];
    if (place === undefined) continue;
    for (const count of threads) {
      const shard = Math.max(1, Math.floor(copies * once / count / SHARDS_EACH));
      const flags = [
        "--tokenizer",
        place.path,
        "--out",
        out,
        "--threads",
        `${count}`,
        "--shard-mb",
        `${shard}`,
      ];
      const type = place.type === undefined ? [] : ["--type", place.type], rates: number[] = [];
      for (let i = 0; i < runs; i++) {
        const began = performance.now();
        const said = await output(
          Deno.execPath(),
          "run",
          "-A",
          CLI,
          "prepare",
          ...input,
          ...flags,
          ...type,
          "--json",
        );
        const seconds = (performance.now() - began) / 1000;
        if (said === null) throw new Error(`\`foreword prepare\` fails with the tokenizer in ${place.path}`);
        rates.push((JSON.parse(said) as { bytes: number }).bytes / 1e6 / seconds);
        await Deno.remove(out, { recursive: true });
      }
      const row = { bench: "text", name: `prepare-${kind}`, runtime: "deno", threads: count, unit: "MB/s" };
      yield { ...row, value: median(rates) };
    }
  }
}
