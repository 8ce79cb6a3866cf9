// What WebGPU tests share: a test that needs something of the machine, and says so where it is missing. With
// FOREWORD_WEBGPU set, as in continuous integration, what is missing is a failure.

// Not OpenGL, to which Deno turns where there is no other driver: without a GPU it takes a minute to compile a kernel.
Deno.env.set("DENO_WEBGPU_BACKEND", "vulkan,metal,dx12");
Deno.env.set("NODEVICE_SELECT", "1"); // Mesa's choice among GPUs complains of a machine without a display
const adapter = await navigator.gpu?.requestAdapter();
const wanted = Deno.env.get("FOREWORD_WEBGPU");

/** Where Debian's package `chromium` is installed, with SwiftShader, a Vulkan driver that needs no GPU. */
export const CHROMIUM = "/usr/lib/chromium";

/**
 * Which share of the op suite other hosts run: of each op's cases every fourth, forward and gradient, because SwiftShader
 * compiles slowly. FOREWORD_WEBGPU=all runs all.
 */
export const EVERY = wanted === "all" ? 1 : 4;

/** What a machine lacks of files and programs, as a reason to skip; `undefined` if it has them all. */
export async function missing(
  files: readonly string[],
  programs: readonly string[],
): Promise<string | undefined> {
  for (const file of files) {
    if (!await exists(file)) return `there is no ${file}: install Debian's chromium`;
  }
  const folders = (Deno.env.get("PATH") ?? "").split(Deno.build.os === "windows" ? ";" : ":");
  for (const program of programs) {
    const found = await Promise.all(folders.map((folder) => exists(`${folder}/${program}`)));
    if (!found.includes(true)) return `there is no program ${program}`;
  }
}

const exists = (path: string): Promise<boolean> => Deno.stat(path).then(() => true, () => false);

/** A test that is left out for the reason given, if one is; where WebGPU is required it fails with that reason. */
export function testUnless(reason: string | undefined, name: string, body: () => Promise<void>): void {
  const ignore = reason !== undefined && wanted === undefined;
  const fn = (): Promise<void> => reason === undefined ? body() : Promise.reject(new Error(reason));
  Deno.test({ name: ignore ? `${name} (skipped: ${reason})` : name, ignore, fn });
}

/** A test that needs an adapter in Deno. */
export const webGpuTest = (name: string, body: () => Promise<void>): void =>
  testUnless(adapter ? undefined : "there is no GPU adapter", name, body);

/** How to declare a test on a device of a table: one that may have to be left out, or an ordinary one. */
export const testOn = (device: string): (name: string, body: () => Promise<void>) => void =>
  device === "WebGPU" ? webGpuTest : (name, body) => Deno.test(name, body);
