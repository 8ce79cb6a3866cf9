// The kernel module: every exported function of the families below, and nothing else, is an export of the module.
// Shared code (simd, gemm, random and the like) is imported by the families, not listed here. scripts/build_wasm.ts
// compiles this file; the contract of a kernel is the same in all families: pointers, dims, pass, begin, end.

export * from "./basic";
export * from "./matmul";
export * from "./attention";
export * from "./norm";
export * from "./activation";
export * from "./dropout";
export * from "./embedding";
export * from "./loss";
export * from "./lstm";
export * from "./gather";
export * from "./inspection";
export * from "./optimizer";
export * from "./sampling";
