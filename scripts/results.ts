// The fine-tuning table of docs/results.md: one pre-trained run, several labelled tasks, pre-trained against from scratch,
// each arm with its learning rate chosen on dev by the first seed. Every run is a `foreword finetune` command with --resume,
// and its result is kept, so that the script can be stopped and started again.

import { Command } from "commander";

interface Score {
  readonly dev: Record<string, number>;
  readonly test: Record<string, number>;
  readonly majority: number;
}

interface Task {
  readonly name: string;
  readonly metric: "accuracy" | "matthews";
  readonly seeds: readonly number[];
  readonly files: Readonly<Record<"train" | "dev" | "test", string>>;
  readonly flags: readonly string[];
}

const RATES = [2.5e-4, 7.5e-4, 2e-3], ARMS = ["pre-trained", "from scratch"] as const;

const { data, model, out } = new Command("results")
  .description(
    "Fine-tune a pre-trained run on SST-2 and CoLA, and the same model from scratch; prints the table",
  )
  .requiredOption("--data <folder>", "a folder with sst2/ and cola/ as published")
  .requiredOption("--model <run>", "the pre-trained run")
  .requiredOption("--out <folder>", "where runs and results go")
  .parse()
  .opts<{ data: string; model: string; out: string }>();

// CoLA's files are source, label, mark, sentence; the command line reads text and label.
function colaFile(name: string): string {
  const target = `${out}/${name}`;
  const lines = Deno.readTextFileSync(`${data}/cola/${name}`).trim().split("\n").map((line) =>
    line.split("\t")
  );
  Deno.writeTextFileSync(target, lines.map(([, label, , sentence]) => `${sentence}\t${label}\n`).join(""));
  return target;
}

function tasks(): Task[] {
  const sst = (name: string) => `${data}/sst2/${name}.tsv`;
  const files = { train: sst("train"), dev: sst("dev"), test: sst("test") }, common = ["--group-by-length"];
  const few = [...common, "--epochs", "10", "--batch", "16"],
    all = [...common, "--epochs", "3", "--batch", "32"];
  return [
    {
      name: "SST-2, 200 labels",
      metric: "accuracy",
      seeds: [1, 2, 3],
      files,
      flags: [...few, "--limit", "200"],
    },
    {
      name: "SST-2, 1,000 labels",
      metric: "accuracy",
      seeds: [1, 2, 3],
      files,
      flags: [...few, "--limit", "1000"],
    },
    { name: "SST-2, all 6,920 labels", metric: "accuracy", seeds: [1, 2, 3], files, flags: all },
    {
      name: "CoLA, all 8,551 labels",
      metric: "matthews",
      seeds: [1],
      files: {
        train: colaFile("in_domain_train.tsv"),
        dev: colaFile("in_domain_dev.tsv"),
        test: colaFile("out_of_domain_dev.tsv"),
      },
      flags: all,
    },
  ];
}

async function score(task: Task, arm: string, rate: number, seed: number): Promise<Score> {
  const name = `${task.name}-${arm}-${rate}-${seed}`.replaceAll(/[^A-Za-z0-9.]+/g, "-"),
    folder = `${out}/${name}`;
  const kept = `${folder}.json`;
  try {
    return JSON.parse(Deno.readTextFileSync(kept));
  } catch {
    // Not run yet.
  }
  const { train, dev, test } = task.files;
  const args = [
    "run",
    "-A",
    "src/cli/main.ts",
    "finetune",
    "--model",
    model,
    "--train",
    train,
    "--dev",
    dev,
    "--test",
    test,
  ];
  args.push(
    "--out",
    folder,
    "--lr",
    String(rate),
    "--seed",
    String(seed),
    "--metric",
    task.metric,
    "--resume",
    "--json",
  );
  args.push(...task.flags, ...(arm === "from scratch" ? ["--from-scratch"] : []));
  const { code, stdout } = await new Deno.Command(Deno.execPath(), { args, stderr: "inherit" }).output();
  if (code !== 0) Deno.exit(code);
  Deno.writeFileSync(kept, stdout);
  Deno.removeSync(folder, { recursive: true });
  return JSON.parse(new TextDecoder().decode(stdout));
}

Deno.mkdirSync(out, { recursive: true });
console.log(
  "| task | arm | learning rate | dev | test, mean (range) | most frequent label |\n|---|---|---|---|---|---|",
);
for (const task of tasks()) {
  const show = (x: number) => task.metric === "accuracy" ? `${(100 * x).toFixed(1)} %` : x.toFixed(3);
  for (const arm of ARMS) {
    const tried = [];
    for (const rate of RATES) tried.push({ rate, first: await score(task, arm, rate, task.seeds[0]) });
    const { rate, first } = tried.reduce((a, b) =>
      b.first.dev[task.metric] > a.first.dev[task.metric] ? b : a
    );
    const scores = [first];
    for (const seed of task.seeds.slice(1)) scores.push(await score(task, arm, rate, seed));
    const tests = scores.map(({ test }) => test[task.metric]),
      devs = scores.map(({ dev }) => dev[task.metric]);
    const mean = (values: number[]) => values.reduce((a, b) => a + b) / values.length;
    const range = tests.length > 1 ? ` (${show(Math.min(...tests))} to ${show(Math.max(...tests))})` : "";
    const majority = task.metric === "accuracy" ? show(first.majority) : "0";
    console.log(
      `| ${task.name} | ${arm} | ${rate} | ${show(mean(devs))} | ${
        show(mean(tests))
      }${range} | ${majority} |`,
    );
  }
}
