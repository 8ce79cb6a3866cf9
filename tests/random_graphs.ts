// Random recordings for the planner tests: any op of `ops` on shared values of a few shapes, states with chains of
// in-place updates, values used again after a candidate for in-place, the same value twice, assignments of whatever there
// is. Everything follows from a seed.

import { Random } from "../src/core/random.ts";
import { sizeOf } from "../src/core/shape.ts";
import type { Feeds } from "../src/backends/backend.ts";
import { Graph, type Value } from "../src/graph/graph.ts";
import type { Attrs, Op } from "../src/graph/op.ts";
import { ops } from "../src/ops/mod.ts";
import type { States } from "./naive_executor.ts";

const SHAPES = {
  scalar: [1],
  vector: [4],
  matrix: [4, 4],
  wide: [4, 12],
  wideBias: [12],
  tokens: [2, 3, 4],
  rows: [2, 4],
  packed: [2, 3, 12],
  gates: [2, 3, 16],
  recurrent: [4, 16],
  logSums: [2, 1, 3],
  looks: [2, 1, 3, 3],
  means: [2, 3],
  cache: [2, 5, 4],
  squares: [4, 4], // matrices without negative elements: second moments
} as const;

type Kind = keyof typeof SHAPES;

/** A recording with what it takes to run it. */
export interface RandomGraph {
  readonly graph: Graph;
  readonly outputs: Record<string, Value>;
  /** Fresh feeds for a run. */
  feeds(): Feeds;
  /** Values of all states before the first run. */
  readonly states: States;
}

/** The recording of a seed. */
export function randomGraph(seed: number): RandomGraph {
  const random = new Random(seed, "graph"), graph = new Graph(`random${seed}`);
  const pools = new Map<Kind, Value[]>(), states = new Map<Value, Kind>(), fed: Value[] = [];
  const oneOf = <T>(items: readonly T[]): T => items[random.below(items.length)];
  const chance = (p: number): boolean => random.next() < p;
  const keep = (
    kind: Kind,
    value: Value,
  ): Value => (pools.set(kind, [...pools.get(kind) ?? [], value]), value);
  const numbers = (kind: Kind): Float32Array =>
    Float32Array.from(
      { length: sizeOf(SHAPES[kind]) },
      () => kind === "squares" ? random.next() : random.normal(),
    );

  // A value of a kind: an old one, mostly recent, or a new input, state or constant.
  const pick = (kind: Kind): Value => {
    const known = pools.get(kind) ?? [];
    if (known.length > 0 && chance(0.8)) return chance(0.5) ? known[known.length - 1] : oneOf(known);
    if (chance(0.45)) {
      const value = graph.state(`${kind}${states.size}`, SHAPES[kind]);
      states.set(value, kind);
      return keep(kind, value);
    }
    if (chance(0.2)) return keep(kind, graph.constant(numbers(kind), SHAPES[kind]));
    fed.push(graph.input(`${kind}_${fed.length}`, SHAPES[kind], "f32"));
    return keep(kind, fed.at(-1)!);
  };
  const ints = (shape: readonly number[], below: number): Value => {
    const data = Int32Array.from({ length: sizeOf(shape) }, () => random.below(below));
    const value = graph.constant(data, shape);
    return chance(0.2) ? graph.apply(ops.copy, [value])[0] : value;
  };
  const record = <A extends Attrs>(op: Op<A>, inputs: Value[], kinds: Kind[], attrs?: A): void => {
    graph.apply(op, inputs, attrs).forEach((value, i) => keep(kinds[i], value));
  };
  const all = (...kinds: Kind[]): Value[] => kinds.map(pick);
  const elementwise = (): Kind => oneOf<Kind>(["scalar", "vector", "matrix", "tokens", "packed", "cache"]);
  const flags = (ta: boolean, tb: boolean) => ({ ta, tb });
  const masking = () => ({ rate: oneOf([0.25, 0.5]), stream: random.below(100) });
  const attending = () => ({ ...masking(), heads: 1, causal: chance(0.5) });
  const lengths = () => ints([2], 4), rng = () => ints([2], 9), targets = () => ints([4], 4);
  const adam = (): void => {
    const segments = graph.constant(Int32Array.from([0, 7, 0, 8, 15, 1]), [2, 3]);
    const groups = graph.constant(Float32Array.from([0.1, 0.01, 1, 1, 0.2, 0, Number(chance(0.7)), 0.5]), [
      2,
      4,
    ]);
    const [norm] = graph.apply(ops.sumSquares, [pick("matrix")]);
    const inputs = [segments, groups, norm, ...all("matrix", "matrix", "matrix", "squares")];
    const constants = { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, maxNorm: 1 };
    record(ops.adam, inputs, ["matrix", "matrix", "matrix", "squares"], constants);
  };
  const same = (op: Op, count: number): void => {
    const kind = elementwise();
    record(op, Array.from({ length: count }, () => pick(kind)), [kind]);
  };

  // Every op, as something that can be recorded at any time.
  const moves: Record<keyof typeof ops, () => void> = {
    add: () => same(ops.add, 2),
    copy: () => same(ops.copy, 1),
    gelu: () => same(ops.gelu, 1),
    geluGrad: () => same(ops.geluGrad, 2),
    fill: () => record(ops.fill, [], ["matrix"], { shape: [4, 4], value: random.normal() }),
    dot: () => record(ops.dot, all("matrix", "matrix"), ["scalar"]),
    scaleBy: () => {
      const kind = elementwise();
      record(ops.scaleBy, all(kind, "scalar"), [kind]);
    },
    dropout: () => {
      const kind = elementwise();
      record(ops.dropout, [pick(kind), rng()], [kind], masking());
    },
    sharedDropout: () =>
      record(ops.sharedDropout, [pick("matrix"), rng()], ["matrix"], { ...masking(), shared: 2 }),
    matmul: () =>
      chance(0.5)
        ? record(ops.matmul, all("matrix", "matrix"), ["matrix"], flags(chance(0.5), chance(0.5)))
        : record(ops.matmul, all("tokens", "matrix"), ["tokens"], flags(false, chance(0.5))),
    matmulInto: () =>
      chance(0.5)
        ? record(
          ops.matmulInto,
          all("matrix", "matrix", "matrix"),
          ["matrix"],
          flags(chance(0.5), chance(0.5)),
        )
        : record(ops.matmulInto, all("tokens", "tokens", "matrix"), ["matrix"], flags(true, false)),
    linear: () =>
      chance(0.5)
        ? record(ops.linear, all("tokens", "matrix", "vector"), ["tokens"])
        : record(ops.linear, all("tokens", "wide", "wideBias"), ["packed"]),
    columnSumInto: () => record(ops.columnSumInto, all("tokens", "vector"), ["vector"]),
    addLayerNorm: () => {
      const kind = oneOf<Kind>(["tokens", "matrix", "vector"]); // a vector may be its own gain
      const row: Kind = kind === "tokens" ? "means" : kind === "matrix" ? "vector" : "scalar";
      if (kind === "vector") {
        return graph.apply(ops.addLayerNorm, all(kind, kind, kind, kind), { epsilon: 1e-5 })
          .slice(0, 2).forEach((value) => keep(kind, value));
      }
      record(ops.addLayerNorm, all(kind, kind, "vector", "vector"), [kind, kind, row, row], {
        epsilon: 1e-5,
      });
    },
    layerNormGrad: () =>
      record(ops.layerNormGrad, all("matrix", "matrix", "vector", "vector", "vector"), ["matrix"]),
    layerNormGainGradInto: () =>
      record(
        ops.layerNormGainGradInto,
        all("matrix", "matrix", "vector", "vector", "vector", "vector"),
        ["vector", "vector"],
      ),
    embedding: () => record(ops.embedding, [pick("matrix"), ints([2, 3, 2], 4)], ["tokens"]),
    embeddingGradInto: () =>
      record(ops.embeddingGradInto, [pick("tokens"), ints([2, 3, 2], 4), pick("matrix")], ["matrix"]),
    selectRows: () => record(ops.selectRows, [pick("tokens"), ints([2], 3)], ["rows"], { sum: 1 }),
    selectRowsGradInto: () =>
      record(ops.selectRowsGradInto, [pick("rows"), ints([2], 3), pick("tokens")], ["tokens"]),
    placeRows: () => record(ops.placeRows, all("matrix", "rows"), ["matrix"], { first: 1 }),
    takeRows: () => record(ops.takeRows, [pick("matrix")], ["rows"], { first: 1, count: 2 }),
    crossEntropy: () => record(ops.crossEntropy, [pick("matrix"), targets()], ["vector"]),
    crossEntropyGrad: () =>
      record(ops.crossEntropyGrad, [pick("matrix"), targets(), pick("vector")], ["matrix"]),
    linearCrossEntropy: () =>
      record(ops.linearCrossEntropy, [...all("matrix", "matrix"), targets()], ["vector"], { rows: 4 }),
    linearCrossEntropyTrain: () =>
      record(
        ops.linearCrossEntropyTrain,
        [...all("matrix", "matrix"), targets(), ...all("vector", "matrix")],
        ["vector", "matrix", "matrix"],
        { rows: 4 },
      ),
    attention: () =>
      record(ops.attention, [pick("packed"), lengths(), rng()], ["tokens", "logSums"], attending()),
    attentionGrad: () =>
      record(
        ops.attentionGrad,
        [pick("packed"), lengths(), rng(), ...all("tokens", "logSums", "tokens")],
        ["packed"],
        attending(),
      ),
    attentionWeights: () =>
      record(ops.attentionWeights, [pick("packed"), lengths()], ["looks"], { heads: 1, causal: chance(0.5) }),
    cachedAttention: () => {
      const inputs = [pick("packed"), ints([2, 2], 3), ...all("cache", "cache")];
      record(ops.cachedAttention, inputs, ["tokens", "cache", "cache"], { heads: 1 });
    },
    lstm: () => {
      const live = chance(0.5) ? lengths() : ints([2, 2], 3);
      const inputs = [...all("gates", "recurrent", "rows", "rows"), live];
      record(ops.lstm, inputs, ["tokens", "rows", "rows", "gates", "tokens"]);
    },
    lstmGrad: () => {
      const inputs = [...all("recurrent", "gates", "tokens", "rows"), ints([2, 2], 3)];
      record(ops.lstmGrad, [...inputs, ...all("tokens", "rows", "rows")], ["gates", "rows", "rows"]);
    },
    previousStates: () => record(ops.previousStates, [...all("tokens", "rows"), ints([2, 2], 3)], ["tokens"]),
    sampleTokens: () => {
      const settings = graph.constant(Float32Array.of(oneOf([0, 0.8]), oneOf([2, 4]), oneOf([0.7, 1])), [3]);
      const chances = graph.constant(Float32Array.from({ length: 4 }, () => random.next()), [4]);
      const [tokens] = graph.apply(ops.sampleTokens, [pick("matrix"), settings, chances], { vocab: 4 });
      record(ops.crossEntropy, [pick("matrix"), tokens], ["vector"]);
    },
    nextInputs: () => {
      const positions = graph.apply(ops.nextInputs, [ints([2, 2], 3), ints([2], 4), ints([2], 9)], {
        first: 4,
        context: 3,
      })[2];
      const given = graph.constant(new Int32Array(4).fill(-1), [2, 2]);
      const next = graph.apply(ops.nextInputs, [given, ints([2], 4), positions], { first: 4, context: 3 });
      record(ops.previousStates, [...all("tokens", "rows"), next[1]], ["tokens"]);
    },
    sumSquares: () => record(ops.sumSquares, all(oneOf<Kind>(["matrix", "tokens"])), ["scalar"]),
    adam,
    unscale: () => {
      const kinds: Kind[] = ["scalar", "matrix", "scalar", "scalar"];
      record(ops.unscale, all(...kinds), kinds, { interval: 2 });
    },
  };
  for (let i = 4 + random.below(20); i > 0; i--) {
    moves[
      chance(0.25)
        ? oneOf(["matmulInto", "adam", "add", "columnSumInto"] as const)
        : oneOf(Object.keys(ops) as never[])
    ]();
  }
  for (const [state, kind] of states) {
    if (chance(0.3)) continue;
    const values = pools.get(kind)!.filter((value) => value.source.kind !== "state" || value === state);
    graph.assign(state, oneOf(values));
  }
  const everything = [...pools.values()].flat();
  const outputs = Object.fromEntries(
    Array.from({ length: 1 + random.below(4) }, (_, i) => [`y${i}`, oneOf(everything)]),
  );
  const named = (value: Value): string => value.source.kind === "input" ? value.source.name : "";
  return {
    graph,
    outputs,
    feeds: () =>
      Object.fromEntries(fed.map((value) => [named(value), numbers(named(value).split("_")[0] as Kind)])),
    states: new Map([...states].map(([{ source }, kind]) => [
      source.kind === "state" ? source.state.name : "",
      Float64Array.from(numbers(kind)),
    ])),
  };
}
