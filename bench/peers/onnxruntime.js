// onnxruntime-web: products only, it does not train. The model is written here as protocol buffers: as many MatMul nodes
// as a turn has repetitions, all of the same two inputs, so that handing the inputs over is a small part of a turn. Graph
// optimisation is off, or equal nodes would become one; both operands are inputs, so packing is timed, as it is for us.

import * as ort from "onnxruntime-web";
import { sampled, serve } from "./serve.ts";

// A field of a message: a whole number, or a string or bytes with their length before them.
function field(number, value) {
  if (typeof value === "number") {
    return [...varint(number << 3), ...varint(value)];
  }
  const bytes = typeof value === "string" ? [...new TextEncoder().encode(value)] : value;
  return [...varint(number << 3 | 2), ...varint(bytes.length), ...bytes];
}
const varint = (n) => n < 128 ? [n] : [n % 128 + 128, ...varint(Math.floor(n / 128))];

const FLOAT = 1, IR_VERSION = 8, OPSET = 17;

// ValueInfoProto of a matrix.
function matrix(name, shape) {
  const dimensions = shape.flatMap((size) => field(1, field(1, size)));
  return [
    ...field(1, name),
    ...field(2, field(1, [...field(1, FLOAT), ...field(2, dimensions)])),
  ];
}

// ModelProto of y0 = y1 = … = a · b.
function model([m, k], [, n], repeats) {
  const names = Array.from({ length: repeats }, (_, i) => `y${i}`);
  const node = (
    y,
  ) => [
    ...field(1, "a"),
    ...field(1, "b"),
    ...field(2, y),
    ...field(4, "MatMul"),
  ];
  const graph = [
    ...names.flatMap((y) => field(1, node(y))),
    ...field(2, "products"),
    ...field(11, matrix("a", [m, k])),
    ...field(11, matrix("b", [k, n])),
    ...names.flatMap((y) => field(12, matrix(y, [m, n]))),
  ];
  return Uint8Array.from([
    ...field(1, IR_VERSION),
    ...field(7, graph),
    ...field(8, field(2, OPSET)),
  ]);
}

async function gemm({ threads, repeats, tensors: [a, b] }) {
  ort.env.wasm.numThreads = threads;
  const session = await ort.InferenceSession.create(
    model(a.shape, b.shape, repeats),
    {
      executionProviders: ["wasm"],
      graphOptimizationLevel: "disabled",
    },
  );
  const feeds = {
    a: new ort.Tensor(a.values, a.shape),
    b: new ort.Tensor(b.values, b.shape),
  };
  const turn = async () => {
    const { y0 } = await session.run(feeds, ["y0"]);
    return sampled(y0.data);
  };
  return { turn };
}

await serve({ gemm });
