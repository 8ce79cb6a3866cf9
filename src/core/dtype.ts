// Element types and their array classes. Two are enough for the first systems: f32 for everything that is learned or
// computed, i32 for ids, lengths and random keys.

/** Element type of a tensor. */
export type DType = "f32" | "i32";

/** Bytes of one element; both types have four. */
export const BYTES = 4;

/** The typed array that holds a tensor of a type on the host. */
export type HostArray<D extends DType = DType> = D extends "f32" ? Float32Array : Int32Array;
