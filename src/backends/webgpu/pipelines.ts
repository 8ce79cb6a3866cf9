// Compute pipelines by the text of their module: steps of the same kernel and the same sharing of buffers have one. Sizes
// come in a uniform block, so a pipeline serves every shape.

import { shaderStage } from "./flags.ts";
import type { ShaderModule } from "./module.ts";
import { DIRECTIVE } from "./subgroups.ts";

/** A pipeline with the layout of its bind groups. */
export interface Pipeline {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

/** The pipelines of a device. */
export class Pipelines {
  readonly #pipelines = new Map<string, Pipeline>();
  readonly #layouts = new Map<string, GPUBindGroupLayout>();

  /** @param announces Whether the device's compiler wants subgroups announced. */
  constructor(readonly device: GPUDevice, readonly announces = true) {}

  /** How many there are. */
  get size(): number {
    return this.#pipelines.size;
  }

  /** The pipeline of a module, made when first asked for. */
  get(module: ShaderModule, label: string): Pipeline {
    const known = this.#pipelines.get(module.code);
    if (known) return known;
    const layout = this.#layout(module);
    const code = this.announces ? module.code : module.code.replace(`${DIRECTIVE}\n`, "");
    const pipeline = this.device.createComputePipeline({
      label,
      layout: this.device.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: { module: this.device.createShaderModule({ label, code }), entryPoint: "main" },
    });
    const made = { pipeline, layout };
    this.#pipelines.set(module.code, made);
    return made;
  }

  #layout({ bindings, uniform }: ShaderModule): GPUBindGroupLayout {
    const types: GPUBufferBindingType[] = bindings.map(({ writable }) =>
      writable ? "storage" : "read-only-storage"
    );
    if (uniform) types.push("uniform");
    const key = types.join(" "), known = this.#layouts.get(key);
    if (known) return known;
    const layout = this.device.createBindGroupLayout({
      entries: types.map((type, binding) => ({
        binding,
        visibility: shaderStage.compute,
        buffer: { type },
      })),
    });
    this.#layouts.set(key, layout);
    return layout;
  }
}
