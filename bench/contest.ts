// Contests: the same job in several processes that take turns, so that what else the machine does meets all alike. A
// contestant is any program that answers a line with a turn (peers/serve.ts): ours in another runtime, or another
// library. Here is the protocol; who takes turns when is in race.ts, what the jobs are in jobs.ts.

/** A matrix or vector of a job, its values in the file `tensors.bin` beside it. */
export interface Tensor {
  /** Its key: a parameter of the model, or "a" and "b". */
  readonly name: string;
  /** Sizes in row-major order. */
  readonly shape: readonly number[];
}

/** What all contestants do in a turn, as the file `job.json`. */
export interface Job {
  /** A product of two matrices, an update of a model on one batch, or that batch's loss alone. */
  readonly kind: "gemm" | "train" | "forward";
  readonly threads: number;
  /** Products in a turn. */
  readonly repeats: number;
  readonly tensors: readonly Tensor[];
  /** The model and its batch, row after row; `ids` and `positions` are rows of the table. */
  readonly config: { readonly channels: number; readonly heads: number; readonly layers: number };
  readonly batch: number;
  readonly length: number;
  readonly ids: readonly number[];
  readonly positions: readonly number[];
  readonly targets: readonly number[];
  /** GPT-1's rule; `decay` is for matrices only. */
  readonly adam: Readonly<Record<"rate" | "beta1" | "beta2" | "epsilon" | "maxNorm" | "decay", number>>;
}

/** What a contestant answers. */
export interface Turn {
  readonly seconds: number;
  /** The loss, or elements of the product. */
  readonly values: readonly number[];
  /** Bytes of memory that the process holds; 0 where it cannot tell. */
  readonly resident: number;
}

/** A program that takes part, by the name that its rows and ratios carry. */
export interface Entrant {
  readonly name: string;
  readonly command: readonly string[];
}

/** A process that takes turns. */
export interface Contestant extends AsyncDisposable {
  readonly name: string;
  /** Seconds from starting the process to the end of its first turn. */
  readonly startup: number;
  readonly first: Turn;
  /** Takes one more turn. */
  turn(): Promise<Turn>;
}

/** Starts an entrant on the job in a folder and waits for its first turn. */
export async function enter(
  { name, command: [program, ...args] }: Entrant,
  folder: string,
): Promise<Contestant> {
  const began = performance.now();
  const child = new Deno.Command(program, {
    args: [...args, folder],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const words = child.stdin.getWriter();
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(splitLines()).getReader();
  const complaint = new Response(child.stderr).text();
  const turn = async (): Promise<Turn> => {
    const asked = await words.write(new TextEncoder().encode("go\n")).then(() => true, () => false);
    const { done, value } = asked ? await lines.read() : { done: true, value: undefined };
    if (!done) return JSON.parse(value!) as Turn;
    await child.status;
    throw new Error(`${name} ended before its turn did: ${firstError(await complaint)}`);
  };
  const end = async (): Promise<void> => {
    await words.close().catch(() => {});
    await lines.cancel();
    await child.status;
    await complaint;
  };
  const first = await turn();
  return { name, startup: (performance.now() - began) / 1000, first, turn, [Symbol.asyncDispose]: end };
}

/** The line of a program's complaint that says what went wrong. */
export function firstError(text: string): string {
  // deno-lint-ignore no-control-regex -- colours
  const lines = text.replaceAll(/\x1b\[[0-9;]*m/g, "").split("\n").map((line) => line.trim()).filter(Boolean);
  return lines.find((line) => /error/i.test(line)) ?? lines[0] ?? "it said nothing";
}

/** Cuts text into lines. */
export function splitLines(): TransformStream<string, string> {
  let rest = "";
  return new TransformStream({
    transform(text, controller) {
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      lines.forEach((line) => controller.enqueue(line));
    },
  });
}
