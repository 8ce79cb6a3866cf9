// What the tests of the command line share: real processes in a temporary folder, with little texts to work on, and the
// contents of folders to compare. The tests themselves are in cli_test.ts, cli_errors_test.ts and crash_test.ts.

import { labelled, stories } from "../src/cli/demo/stories.ts";

const MAIN = new URL("../src/cli/main.ts", import.meta.url).pathname;
const CONFIG = new URL("../deno.json", import.meta.url).pathname;

/** What a process came to. */
export interface Outcome {
  readonly code: number;
  readonly signal: Deno.Signal | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A temporary folder with a corpus, labelled texts and what tests make in it. */
export interface Place {
  readonly path: string;
  /** Runs `foreword` there. `line` is split at spaces; texts with spaces go in `rest`. */
  foreword(line: string, ...rest: string[]): Promise<Outcome>;
  /** Starts `foreword` there. */
  start(line: string): Deno.ChildProcess;
  /** The result of a command that succeeds, from its --json. */
  json<T>(line: string, ...rest: string[]): Promise<T>;
  read(name: string): Promise<string>;
  write(name: string, content: string | Uint8Array): Promise<void>;
  /** Every file below a folder, with its bytes in a form that compares; `{}` if there is no such folder. */
  tree(name: string): Promise<Record<string, string>>;
  /** Takes the folder away. */
  remove(): Promise<void>;
}

const lines = (texts: readonly { text: string; label: string }[]): string =>
  texts.map(({ text, label }) => `${text}\t${label}\n`).join("");

/** Makes the folder, with `corpus.txt`, `valid.txt`, `train.tsv`, `dev.tsv`, `test.tsv`. Processes there see `env` too. */
export async function makePlace(env: Readonly<Record<string, string>> = {}): Promise<Place> {
  const path = await Deno.makeTempDir({ prefix: "foreword-" });
  const command = (line: string, rest: readonly string[] = []) =>
    new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--config", CONFIG, MAIN, ...line.split(" ").filter(Boolean), ...rest],
      cwd: path,
      env,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    });
  const place: Place = {
    path,
    foreword: async (line, ...rest) => outcomeOf(await command(line, rest).output()),
    start: (line) => command(line).spawn(),
    async json(line, ...rest) {
      const { code, stdout, stderr } = await place.foreword(line, ...rest, "--json");
      if (code !== 0) throw new Error(`foreword ${line} failed: ${stderr}`);
      return JSON.parse(stdout);
    },
    read: (name) => Deno.readTextFile(`${path}/${name}`),
    write: (name, content) =>
      Deno.writeFile(
        `${path}/${name}`,
        typeof content === "string" ? new TextEncoder().encode(content) : content,
      ),
    async tree(name) {
      const files: Record<string, string> = {};
      const walk = async (folder: string) => {
        for await (const entry of Deno.readDir(`${path}/${folder}`)) {
          const child = `${folder}/${entry.name}`;
          if (entry.isDirectory) await walk(child);
          else files[child] = await digest(await Deno.readFile(`${path}/${child}`));
        }
      };
      await walk(name).catch((error) => {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      });
      return files;
    },
    remove: () => Deno.remove(path, { recursive: true }),
  };
  await place.write("corpus.txt", stories(1, 300, "train").join("\n"));
  await place.write("valid.txt", stories(1, 20, "heldout").join("\n"));
  await place.write("train.tsv", lines(labelled(1, 64, "train")));
  await place.write("dev.tsv", lines(labelled(1, 20, "dev")));
  await place.write("test.tsv", lines(labelled(1, 20, "test")));
  return place;
}

/** Makes `tok`, a tokenizer, in a place. */
export async function makeTokenizer(place: Place): Promise<void> {
  await place.json("tokenizer train --corpus corpus.txt --vocab-size 300 --out tok");
}

/** Where tests compute that are not about the choice of a device, so that no process has to measure. */
export const HERE = "--threads 1 --device wasm";

/** A pre-training of some seconds at most; further flags follow. */
export const PRETRAIN = `pretrain --corpus corpus.txt --batch 4 ${HERE}`;

/** A fine-tuning of some seconds at most; further flags follow. */
export const FINETUNE = `finetune --train train.tsv --dev dev.tsv --batch 16 --epochs 2 --lr 1e-3 ${HERE}`;

/** What a finished process says. */
export function outcomeOf({ code, signal, stdout, stderr }: Deno.CommandOutput): Outcome {
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, signal, stdout: text(stdout), stderr: text(stderr) };
}

/** The records of `metrics.jsonl` of a run, as lines. */
export async function metricsOf(place: Place, run: string): Promise<string[]> {
  return (await place.read(`${run}/metrics.jsonl`)).trimEnd().split("\n");
}

async function digest(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return `${bytes.length} ${new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex()}`;
}
