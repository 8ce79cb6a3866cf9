// Worker threads, the same way in Deno, browsers and Node. A worker instantiates the kernels on the shared memory and
// then replays whole programs: one message for each run, none for each kernel. Its source is built from functions, so
// that a bundle stays one file; the functions therefore refer to nothing outside themselves.

import { type BoundStep, type Kernels, replayStep } from "./replay.ts";

/** What the pool tells a worker. */
export type Order =
  | {
    readonly type: "bind";
    readonly id: number;
    readonly steps: readonly BoundStep[];
    /** Address of the first thread's workspace, and bytes from one thread's to the next. */
    readonly workspace: number;
    readonly stride: number;
  }
  | { readonly type: "run"; readonly id: number }
  | { readonly type: "forget"; readonly id: number };

/** What a worker starts from. */
interface Start {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly control: number;
  readonly thread: number;
  readonly threads: number;
}

type Report = "ready" | { readonly error: string };

interface Port {
  send(message: unknown): void;
  /** From now on a waiting worker no longer keeps the process alive. Node only; others never wait for workers. */
  release(): void;
  end(): void;
}

/** Worker threads 1..threads-1; the calling thread is number 0. */
export interface Pool {
  /** Sends an order to every worker. */
  order(order: Order): void;
  /** Set once a worker has failed. */
  failure(): string | null;
  close(): void;
}

// In the worker. `send` answers the page; the returned function receives its messages.
function work(send: (report: unknown) => void, replay: typeof replayStep): (message: Start | Order) => void {
  const programs = new Map<number, readonly BoundStep[]>();
  let start: Start, kernels: Kernels, control: Int32Array;
  return (message) => {
    if ("module" in message) {
      start = message;
      control = new Int32Array(start.memory.buffer, start.control, 3);
      const instance = new WebAssembly.Instance(start.module, { env: { memory: start.memory } });
      kernels = instance.exports as unknown as Kernels;
      send("ready");
    } else if (message.type === "bind") {
      const workspace = message.workspace + start.thread * message.stride;
      for (const { args, workspaceAt } of message.steps) if (workspaceAt >= 0) args[workspaceAt] = workspace;
      programs.set(message.id, message.steps);
    } else if (message.type === "forget") {
      programs.delete(message.id);
    } else {
      try {
        for (const step of programs.get(message.id)!) {
          if (!replay(kernels, step, start.thread, start.threads, control)) return;
        }
      } catch (error) {
        Atomics.store(control, 2, 1);
        Atomics.notify(control, 1);
        send({ error: String(error) });
      }
    }
  };
}

// `__name` is what some bundlers wrap functions in; it must exist where the source text is run.
const source = (connect: string): string =>
  `const __name = (f) => f; const replay = ${replayStep}; const work = ${work}; ${connect}`;

const webSource = (): string =>
  source("const receive = work((m) => postMessage(m), replay); onmessage = (e) => receive(e.data);");
const nodeSource = (): string =>
  source(
    `const { parentPort } = require("node:worker_threads"); parentPort.on("message", work((m) => parentPort.postMessage(m), replay));`,
  );

interface NodeWorker {
  on(event: "message", listener: (message: Report) => void): void;
  on(event: "error", listener: (error: Error) => void): void;
  postMessage(message: unknown): void;
  terminate(): Promise<number>;
  unref(): void;
}
interface NodeProcess {
  getBuiltinModule?(
    name: "node:worker_threads",
  ): { Worker: new (source: string, options: { eval: true }) => NodeWorker };
}

function spawn(onReport: (report: Report) => void): Port {
  if (typeof Worker === "function") {
    const url = URL.createObjectURL(new Blob([webSource()], { type: "text/javascript" }));
    const worker = new Worker(url, { type: "module", name: "foreword" });
    worker.onmessage = ({ data }: MessageEvent<Report>) => onReport(data);
    worker.onerror = (event) => {
      event.preventDefault(); // it is reported; unhandled, it would end the process
      onReport({ error: event.message });
    };
    return {
      send: (message) => worker.postMessage(message),
      release: () => {},
      end: () => (worker.terminate(), URL.revokeObjectURL(url)),
    };
  }
  const { process } = globalThis as { process?: NodeProcess };
  const threads = process?.getBuiltinModule?.("node:worker_threads");
  if (!threads) throw new Error("This runtime has no worker threads: open the device with { threads: 1 }");
  const worker = new threads.Worker(nodeSource(), { eval: true });
  worker.on("message", onReport);
  worker.on("error", (error) => onReport({ error: error.message }));
  return {
    send: (message) => worker.postMessage(message),
    release: () => worker.unref(),
    end: () => void worker.terminate(),
  };
}

/** Starts the workers and waits until all have instantiated the kernels. */
export async function startPool(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
  control: number,
  threads: number,
): Promise<Pool> {
  let failure: string | null = null;
  const ports: Port[] = [];
  const ready = Array.from({ length: threads - 1 }, (_, i) =>
    new Promise<void>((resolve, reject) => {
      const port = spawn((report) => {
        if (report === "ready") return resolve();
        failure ??= report.error;
        reject(new Error(`A worker thread could not start: ${report.error}`));
      });
      ports.push(port);
      port.send({ module, memory, control, thread: i + 1, threads } satisfies Start);
    }));
  const close = (): void => ports.forEach((port) => port.end());
  try {
    await Promise.all(ready); // nothing else may be keeping the process alive until here
    ports.forEach((port) => port.release());
  } catch (error) {
    close();
    throw error;
  }
  return {
    order: (order) => ports.forEach((port) => port.send(order)),
    failure: () => failure,
    close,
  };
}
