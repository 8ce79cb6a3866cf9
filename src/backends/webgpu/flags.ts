// The bits of WebGPU's flags that this backend sets, as the specification numbers them. The globals that name them
// (`GPUBufferUsage` and its like) are there in Deno and browsers only; Node's package `webgpu` leaves it to its user to
// set them, which a library has no business doing.

/** What a buffer may be used for: bits of `GPUBufferUsage`. */
export const bufferUsage = {
  mapRead: 0x01,
  copySource: 0x04,
  copyTarget: 0x08,
  uniform: 0x40,
  storage: 0x80,
  queryResolve: 0x200,
} as const;

/** What a mapping is for: bits of `GPUMapMode`. */
export const mapMode = { read: 0x01 } as const;

/** Which stage sees a binding: bits of `GPUShaderStage`. */
export const shaderStage = { compute: 0x04 } as const;
