// Subgroups, where a device has them. Deno leaves the feature out of what an adapter says of itself, but gives it to who
// asks; its compiler then takes code that uses subgroups, and refuses the directive with which WGSL announces them. So both
// are tried out instead of being taken for granted. What is done with them is in reduce.ts.

/** How a device takes code that uses subgroups: with the directive, without it, or not at all. */
export type Subgroups = "announced" | "unannounced" | null;

/** The directive. It stands at the top of a module. */
export const DIRECTIVE = "enable subgroups;";

const FEATURE = "subgroups" as GPUFeatureName;

// All that reductions use.
const PROBE = `@group(0) @binding(0) var<storage, read_write> y: array<u32>;
@compute @workgroup_size(64) fn main(
  @builtin(local_invocation_index) lane: u32,
  @builtin(subgroup_size) peers: u32, @builtin(subgroup_invocation_id) peer: u32,
) {
  let run = subgroupAll(lane == subgroupBroadcastFirst(lane) + peer);
  y[lane] = subgroupShuffleXor(select(peers, lane, run), 1u) + subgroupAdd(1u);
}`;

/** A device with subgroups if the adapter gives them, without otherwise. */
export async function requestDevice(
  adapter: GPUAdapter,
  descriptor: GPUDeviceDescriptor,
): Promise<GPUDevice> {
  const requiredFeatures = [...descriptor.requiredFeatures ?? [], FEATURE];
  try {
    return await adapter.requestDevice({ ...descriptor, requiredFeatures });
  } catch {
    return await adapter.requestDevice(descriptor);
  }
}

/** How a device takes code that uses subgroups. */
export async function subgroupsOf(device: GPUDevice): Promise<Subgroups> {
  if (!device.features.has(FEATURE)) return null;
  for (const [way, top] of [["announced", `${DIRECTIVE}\n`], ["unannounced", ""]] as const) {
    device.pushErrorScope("validation");
    device.createShaderModule({ label: "subgroups", code: `${top}${PROBE}` });
    if (await device.popErrorScope() === null) return way;
  }
  return null;
}
