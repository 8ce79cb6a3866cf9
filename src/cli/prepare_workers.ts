// Threads for `foreword prepare`: workers that run this same program, told by their data what they are, and each with a
// tokenizer of its own. Asked to stop, they end between two pieces of a document and leave nothing half-written.

import { parentPort, Worker, workerData } from "node:worker_threads";
import type { PrepareOptions } from "../text/prepare/prepare.ts";
import { handOf, type PrepareHand, type PrepareJob } from "../text/prepare/run.ts";
import { openTokenizer, type VocabularyType } from "../text/open_tokenizer.ts";
import { disk } from "./io.ts";

/** What a worker needs to know once. */
export interface WorkerSetup {
  /** Where the tokenizer is. */
  readonly tokenizer: string;
  readonly type?: VocabularyType;
  readonly folder: string;
  readonly options: PrepareOptions;
}

type Answer =
  | { readonly bytes: number }
  | { readonly done: true }
  | { readonly error: { readonly name: string; readonly message: string } };

const STOP = "stop";

/** Some workers. */
export interface Workers {
  readonly hands: readonly PrepareHand[];
  /** Ends them, once their jobs have ended. */
  close(): Promise<void>;
}

/** Starts workers. `signal` makes their jobs fail with its reason. */
export function startWorkers(
  program: string,
  count: number,
  setup: WorkerSetup,
  signal: AbortSignal,
): Workers {
  const workers = Array.from({ length: count }, () => new Worker(new URL(program), { workerData: setup }));
  signal.addEventListener("abort", () => workers.forEach((worker) => worker.postMessage(STOP)), {
    once: true,
  });
  const handOf = (worker: Worker): PrepareHand => (job, onPiece) =>
    new Promise((resolve, reject) => {
      const settle = (act: () => void): void => {
        worker.removeAllListeners();
        act();
      };
      worker.on("error", (error) => settle(() => reject(error)));
      worker.on("message", (answer: Answer) => {
        if ("bytes" in answer) return onPiece(answer.bytes);
        if ("done" in answer) return settle(resolve);
        const { name, message } = answer.error;
        settle(() => reject(signal.aborted ? signal.reason : Object.assign(new Error(message), { name })));
      });
      worker.postMessage(job);
    });
  return {
    hands: workers.map(handOf),
    close: async () => void await Promise.all(workers.map((worker) => worker.terminate())),
  };
}

/** The life of a worker: jobs as they come. */
export async function serve(): Promise<void> {
  const { tokenizer, type, folder, options } = workerData as WorkerSetup, port = parentPort!;
  let stopped = false;
  const opened = openTokenizer(disk, tokenizer, type);
  opened.catch(() => {}); // said with the first job
  const answer = (message: Answer): void => port.postMessage(message);
  port.on("message", async (job: PrepareJob | typeof STOP) => {
    if (job === STOP) return void (stopped = true);
    try {
      await handOf(disk, folder, await opened, options)(job, (bytes) => {
        if (stopped) throw new Error("stopped");
        answer({ bytes });
      });
      answer({ done: true });
    } catch (error) {
      const { name, message } = error instanceof Error ? error : new Error(String(error));
      answer({ error: { name, message } });
    }
  });
  await opened.catch(() => {});
}
