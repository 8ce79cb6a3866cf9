// What WebGPU tests share: a test that needs an adapter, and says so where there is none.

const adapter = await navigator.gpu?.requestAdapter();
const required = Deno.env.get("FOREWORD_WEBGPU") !== undefined;

/** A test that is left out, with the reason, where there is no adapter; where one is required it fails instead. */
export function webGpuTest(name: string, body: () => Promise<void>): void {
  const ignore = !adapter && !required;
  Deno.test({ name: ignore ? `${name} (skipped: there is no GPU adapter)` : name, ignore, fn: body });
}

/** How to declare a test on a device of a table: one that may have to be left out, or an ordinary one. */
export const testOn = (device: string): (name: string, body: () => Promise<void>) => void =>
  device === "WebGPU" ? webGpuTest : (name, body) => Deno.test(name, body);
