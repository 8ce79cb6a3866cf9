// What every command shares: common flags, numbers in flags, where results and progress go, interruption, and the errors
// that are the user's to mend. Results go to stdout, everything else to stderr, so that `--json` can be piped.

import process from "node:process";
import { type Command, InvalidArgumentError, Option } from "commander";
import type { Device, Precision } from "../backends/backend.ts";
import type { Plan } from "../graph/plan.ts";
import { folder } from "../platform/fs.ts";
import { type DeviceName, deviceNames, openDevice, precisionNames } from "../open_device.ts";
import type { Checkpoint } from "../train/checkpoint_folder.ts";

/** Files of this machine; paths in flags are relative to the working folder. */
export const disk = folder(".");

/** Flags that every command has. */
export interface CommonFlags {
  readonly json?: boolean;
  readonly seed: number;
  readonly threads?: number;
  readonly memory?: number;
  readonly device: DeviceName;
  readonly precision: Precision;
}

/** Adds the common flags to a command. */
export function common(command: Command): Command {
  return deviceFlags(jsonFlag(command).option("--seed <n>", "seed of everything random", whole(0), 1));
}

/** Adds the flag for programs that read the result. */
export function jsonFlag(command: Command): Command {
  return command.option("--json", "print the result as JSON on stdout; progress goes to stderr");
}

/** Adds the flags that say where to compute. */
export function deviceFlags(command: Command): Command {
  return command
    .option("--threads <n>", "threads to use; as many as there are cores unless given", whole(1))
    .option("--memory <mib>", "most MiB of memory to use; 4096, all that WASM has, unless given", whole(1))
    .addOption(deviceOption())
    .addOption(precisionOption());
}

/** The flag for halves. */
export const precisionOption = (): Option =>
  new Option(
    "--precision <name>",
    "how to store activations and weights; f16 takes half the memory and goes with --device webgpu",
  )
    .choices([...precisionNames]).default("f32");

/** The flag that names a device. */
export function deviceOption(): Option {
  return new Option(
    "--device <name>",
    "where to compute; auto takes what is expected to be faster, and says why",
  )
    .choices([...deviceNames]).default("auto");
}

/** A parser of whole numbers of at least `least`. */
export function whole(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < least || !Number.isSafeInteger(value)) {
      throw new InvalidArgumentError(`It must be a whole number of at least ${least}.`);
    }
    return value;
  };
}

/** A parser of real numbers in a range, ends included. */
export function real(least: number, most = Infinity): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === "" || !(value >= least && value <= most)) {
      throw new InvalidArgumentError(
        `It must be a number ${most === Infinity ? `of at least ${least}` : `from ${least} to ${most}`}.`,
      );
    }
    return value;
  };
}

/**
 * Opens the device that the flags ask for. Where they leave it open, it is the one that a resumed run was on, so that its
 * numbers stay the same, else the faster one for the plans that will run most, or WASM for the reason that is given in
 * their place; stderr says which and why.
 */
export async function deviceOf(
  { device: name, precision, threads, memory }: Pick<
    CommonFlags,
    "device" | "precision" | "threads" | "memory"
  >,
  plans: string | (() => readonly Plan[] | Promise<readonly Plan[]>),
  resumed: Checkpoint | null = null,
): Promise<Device> {
  const options = {
    ...(threads === undefined ? {} : { threads }),
    ...(memory === undefined ? {} : { maxBytes: memory * 2 ** 20 }),
  };
  if (precision === "f16" && name !== "webgpu") {
    throw new UsageError("--precision f16 is for a GPU: add --device webgpu, or leave it out");
  }
  // Mesa's choice among GPUs looks for a display, and complains on stderr of a machine without one.
  if (process.env.MESA_VK_DEVICE_SELECT === undefined) process.env.NODEVICE_SELECT ??= "1";
  if (name !== "auto") return await openDevice({ ...options, device: name, precision });
  const before = resumed && deviceBefore(resumed);
  if (before) {
    const { device, precision } = before, how = precision === "f16" ? " in half precision" : "";
    say(`auto: ${device === "wasm" ? "WASM" : "WebGPU"}${how}, which the run was on so far`);
    return await openDevice({ ...options, device, precision });
  }
  if (typeof plans === "string") {
    say(`auto: WASM, ${plans}`);
    return await openDevice({ ...options, device: "wasm" });
  }
  // Deno turns to OpenGL where there is nothing else, whose drivers may take a minute to compile a kernel.
  process.env.DENO_WEBGPU_BACKEND ??= "vulkan,metal,dx12";
  return await openDevice({ ...options, plan: await plans(), onChoice: (text) => say(`auto: ${text}`) });
}

// From a device's description, which a checkpoint keeps.
const deviceBefore = ({ info }: Checkpoint): { device: DeviceName; precision: Precision } | null => {
  const text = String((info as { device?: string } | null)?.device),
    [, name] = /^(WASM|WebGPU) /.exec(text) ?? [];
  if (name === undefined) return null;
  return {
    device: name === "WASM" ? "wasm" : "webgpu",
    precision: text.endsWith(" in half precision") ? "f16" : "f32",
  };
};

/** Prints a result: as JSON if asked for, else as the text. */
export function print({ json }: { readonly json?: boolean }, result: object, text: string): void {
  process.stdout.write(json ? `${JSON.stringify(result)}\n` : `${text}\n`);
}

/** A line for people, on stderr. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Aborts when Ctrl-C is pressed or the process is asked to end; a second time ends at once. */
export function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(130);
      controller.abort();
      say("\nStopping after this step. Press Ctrl-C again to stop at once.");
    });
  }
  return controller.signal;
}

/** A mistake of the person at the keyboard: the message is all that is shown. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Ends the process as an interrupted one does. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
}
