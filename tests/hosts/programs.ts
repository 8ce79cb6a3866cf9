// What tests of other hosts share: bundling a main module for them, and running programs that may be absent or late.

import { assert } from "@std/assert";

const CONFIG = new URL("../../deno.json", import.meta.url).pathname;

/** How a program ended. */
export interface Outcome {
  readonly success: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

/** How to run a program. */
export interface RunOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Milliseconds after which it is ended. */
  readonly patience: number;
}

/** Runs a program. One that is not there, or does not end in time, is one that failed. */
export async function runProgram(
  program: string,
  args: readonly string[],
  { cwd, env = {}, patience }: RunOptions,
): Promise<Outcome> {
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  try {
    const { success, stdout, stderr, signal } = await new Deno.Command(program, {
      args: [...args],
      cwd,
      env,
      stdin: "null",
      signal: AbortSignal.timeout(patience),
    }).output();
    const late = signal === "SIGTERM" ? `\nit did not end within ${patience / 1000} s` : "";
    return { success, stdout: decode(stdout), stderr: decode(stderr) + late };
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return { success: false, stdout: "", stderr: `there is no program ${program}` };
  }
}

/** Bundles a main module of these tests into one file in a folder. Returns the file's path. */
export async function bundle(main: URL, folder: string, flags: readonly string[] = []): Promise<string> {
  const file = `${folder}/${main.pathname.split("/").at(-1)!.replace(/\.ts$/, ".mjs")}`;
  const args = ["bundle", "--config", CONFIG, ...flags, "-o", file, main.pathname];
  const { success, stderr } = await runProgram(Deno.execPath(), args, { cwd: folder, patience: 120_000 });
  assert(success, stderr);
  return file;
}
