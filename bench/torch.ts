// PyTorch as a peer of the GPU benchmark, in a process of its own that waits for jobs while ours are measured, and the
// other way round. It runs under Deno and Node alike. What it computes is in torch_rows.ts.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { TORCH_PROGRAM } from "./torch_rows.ts";
import type { GpuPeer, PeerResult } from "./webgpu_rows.ts";

/** PyTorch, waiting for jobs. */
export interface Torch extends GpuPeer {
  /** Version and device, for people. */
  readonly description: string;
  /** Ends the process. */
  readonly close: () => Promise<void>;
}

type Hello = Readonly<Record<"version" | "device" | "name", string>>;
type Answer = PeerResult | { readonly error: string };

/** Starts PyTorch under a Python; `null` and a remark with the reason where that has none. */
export async function openTorch(python: string, remark: (text: string) => void): Promise<Torch | null> {
  const child = spawn(python, ["-c", TORCH_PROGRAM], { stdio: ["pipe", "pipe", "pipe"] });
  let complaints = "";
  const closed = new Promise<void>((resolve) => child.on("close", () => resolve()));
  const absent = new Promise<Error>((resolve) => child.on("error", resolve));
  child.stdin.on("error", () => {}); // it ended; that shows when its answer is awaited
  child.stderr.setEncoding("utf8").on(
    "data",
    (text: string) => complaints = (complaints + text).slice(-4000),
  );
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async <T>(): Promise<T> => {
    const line = await Promise.race([lines.next(), absent]);
    if (line instanceof Error) throw new Error(`there is no program ${python}`);
    if (!line.done) return JSON.parse(line.value);
    await closed;
    throw new Error(complaints.trim().split("\n").at(-1) || `${python} ended`);
  };
  const close = async (): Promise<void> => {
    child.stdin.end();
    await Promise.race([closed, absent]);
  };
  try {
    const { version, device, name } = await next<Hello>();
    return {
      name: "torch",
      runtime: `pytorch-${device}`,
      description: `PyTorch ${version} on ${name}`,
      async take(job) {
        child.stdin.write(`${JSON.stringify([job])}\n`);
        const answer = await next<Answer>();
        if ("error" in answer) throw new Error(answer.error);
        return answer;
      },
      close,
    };
  } catch (error) {
    await close();
    const reason = error instanceof Error ? error.message : `${error}`;
    remark(`skipped: no PyTorch beside it, because ${reason}; --python PATH names a Python that has torch`);
    return null;
  }
}
