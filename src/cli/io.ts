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

/** Flags that say where to compute. */
export interface DeviceFlags {
  readonly threads?: number;
  readonly memory?: number;
  readonly device: DeviceName;
  /** Unless given that of a run that is resumed with `auto`, else f32. */
  readonly precision?: Precision;
}

/** Flags that every command that computes has. */
export interface CommonFlags extends DeviceFlags {
  readonly json?: boolean;
  readonly seed: number;
}

/** Of a command's flags those that say where to compute, as far as they are given. */
export const whereOf = ({ device, precision, threads, memory }: DeviceFlags): DeviceFlags => ({
  device,
  ...(precision === undefined ? {} : { precision }),
  ...(threads === undefined ? {} : { threads }),
  ...(memory === undefined ? {} : { memory }),
});

/** Adds the common flags to a command that computes. */
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
    "how to store activations and the weights that are read; f16 goes with --device webgpu",
  )
    .choices([...precisionNames]);

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
 * Refuses halves where no GPU is asked for. A run that is resumed may be on one already; `deviceOf` sees to that.
 *
 * @throws {UsageError} with the flag that is missing.
 */
export function requireGpuForHalves(
  { device, precision, resume }: Partial<DeviceFlags> & { readonly resume?: unknown },
): void {
  if (precision !== "f16" || device === "webgpu" || device === "auto" && resume !== undefined) return;
  throw new UsageError("--precision f16 is for a GPU: add --device webgpu, or leave it out");
}

/**
 * Opens the device that the flags ask for. Where they leave it open, it is the one that a resumed run was on, so that its
 * numbers stay the same, else the faster one for the plans that will run most, or WASM for the reason that is given in
 * their place; stderr says which and why.
 *
 * @param resumed The description of the device that a run was on so far.
 */
export async function deviceOf(
  { device: name, precision, threads, memory }: DeviceFlags,
  plans: string | (() => readonly Plan[] | Promise<readonly Plan[]>),
  resumed: string | null = null,
): Promise<Device> {
  const options = {
    ...(threads === undefined ? {} : { threads }),
    ...(memory === undefined ? {} : { maxBytes: memory * 2 ** 20 }),
  };
  const before = name === "auto" && resumed !== null ? placeOf(resumed) : null;
  requireGpuForHalves({ device: before?.device ?? name, ...(precision ? { precision } : {}) });
  // Mesa's choice among GPUs looks for a display, and complains on stderr of a machine without one.
  if (process.env.MESA_VK_DEVICE_SELECT === undefined) process.env.NODEVICE_SELECT ??= "1";
  if (name !== "auto") return await openDevice({ ...options, device: name, precision: precision ?? "f32" });
  // Deno turns to OpenGL where there is nothing else, whose drivers may take a minute to compile a kernel.
  process.env.DENO_WEBGPU_BACKEND ??= "vulkan,metal,dx12";
  if (before) {
    const { device } = before, stored = precision ?? before.precision;
    say(`auto: ${NAMES[device]}${stored === "f16" ? HALVES : ""}, which the run was on so far`);
    return await openDevice({ ...options, device, precision: stored });
  }
  if (typeof plans === "string") {
    say(`auto: WASM, ${plans}`);
    return await openDevice({ ...options, device: "wasm" });
  }
  return await openDevice({ ...options, plan: await plans(), onChoice: (text) => say(`auto: ${text}`) });
}

// How descriptions of devices begin and, where halves are stored, end.
const NAMES = { wasm: "WASM", webgpu: "WebGPU", reference: "float64 reference" } as const;
const HALVES = " in half precision";

/** Where a run was computed. */
export interface Place {
  readonly device: keyof typeof NAMES;
  readonly precision: Precision;
  /** What decides the last bits besides: the build of the kernels, or the GPU. */
  readonly by: string;
}

/** The description of the device that a checkpoint was made on; "" if it has none. */
export const deviceOfCheckpoint = ({ info }: Checkpoint): string =>
  (info as { device?: string } | null)?.device ?? "";

/** Reads a device's description; `null` if it is of no device that there is. */
export function placeOf(description: string): Place | null {
  const device = deviceNames.find((name) => name !== "auto" && description.startsWith(NAMES[name]));
  if (device === undefined || device === "auto") return null;
  const halves = device === "webgpu" && description.endsWith(HALVES);
  // Threads and tiles, which follow on WASM, change no bit; the name of a GPU may hold anything.
  const by = device === "wasm"
    ? description.split(",")[0]
    : description.slice(0, halves ? -HALVES.length : undefined);
  return { device, precision: halves ? "f16" : "f32", by };
}

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
