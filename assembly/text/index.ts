// The text module: scanners, the cache of pre-tokens, the merge engine and the decoder of src/text/. It is a module
// of its own, so that it loads without the kernels of a model and they without it. scripts/build_wasm.ts compiles
// this file; src/text/wasm/ loads it and lays out its memory. Like the kernels it has no globals and no static data.

export { countFields } from "./engine";
export { addPairs } from "./pairs";
export { splitGpt2 } from "./split_gpt2";
export { encodePieces } from "./encode";
export { encodeChunks, findChunks, rememberChunk } from "./chunks";
export { mergeSymbols } from "./merge";
export { firstInvalid } from "./utf8";
export { decodeIds, measureIds } from "./decode";
