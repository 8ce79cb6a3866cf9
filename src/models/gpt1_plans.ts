// The plans a GPT-1 runs: `gradient` (forward, backward, +=) for each micro-batch, `scores` without gradients, `decode`
// and `continuation`
// with a cache. Shapes are capacities; live lengths arrive at run time. Row weights carry every averaging rule, so a loss
// is always a weighted sum and accumulation over micro-batches is exact. The optimizer's plan is in src/train/update.ts.

import { Graph, type Value } from "../graph/graph.ts";
import { gradients } from "../graph/gradients.ts";
import { type Plan, plan } from "../graph/plan.ts";
import { type ModelPlans, planCache } from "../nn/model.ts";
import {
  add,
  cachedAttention,
  carriedLstm,
  causalAttention,
  crossEntropy,
  linear,
  linearCrossEntropy,
  lstm,
  nextInputs,
  project,
  sampleTokens,
  selectRows,
  sharedDropout,
  weightedSum,
} from "../nn/layers.ts";
import { lossScale } from "../nn/loss_scale.ts";
import { type Layout, layOut, mirror, type Parameters, parametersOf } from "../nn/parameters.ts";
import type { Recompute } from "../nn/recompute.ts";
import { type Gpt1Config, hidden, parameterSpecs, table, tableRows } from "./gpt1.ts";
import { frozenBy } from "./gpt1_tuning.ts";

/** What a gradient or scoring plan computes and on how many tokens. */
export interface Gpt1Run {
  /** Sequences, B. */
  readonly batch: number;
  /** Tokens of each, T at most. */
  readonly length: number;
  /** Whether the language-model loss takes part. */
  readonly language: boolean;
  /** Rows of the table in the language model's softmax. All, as the original has it, unless given. */
  readonly rows?: number;
  /** The classifier on the extract token. */
  readonly classifier?: ClassifierHead;
}

/** How a classifier reads the sequences of an example, which lie side by side: choices · sum of them. */
export interface ClassifierHead {
  /** Scores for each choice. */
  readonly outputs: number;
  /** How many candidates the softmax compares; 1 where it compares the outputs of one text or pair. */
  readonly choices: number;
  /** How many sequences are read as one, their hidden states added: 2 for both orders of a pair. 1 unless given. */
  readonly sum?: number;
  /** Whether a label lies between two outputs, which share its probability; fed as `upperLabels`, `upperWeights` too. */
  readonly between?: boolean;
}

/** Sequences of one example. */
export const sequencesOfExample = ({ choices, sum = 1 }: ClassifierHead): number => choices * sum;

/** What fixes the parameters of a GPT-1 besides its configuration. */
export interface Gpt1Parts {
  /** Outputs of a classifier on the extract token; none unless given. */
  readonly classifier?: number | null;
  /** Parameters that will not be trained, besides those that the configuration names: neither gradients nor moments. */
  readonly frozen?: (name: string) => boolean;
}

/** The plans of a GPT-1, before there is one on a device. */
export function gpt1Plans(
  config: Gpt1Config,
  { classifier = null, frozen = () => false }: Gpt1Parts = {},
): ModelPlans<Gpt1Run> {
  const untrained = frozenBy(config), once = planCache();
  const layout = layOut(parameterSpecs(config, classifier), {
    frozen: (name) => untrained(name) || frozen(name),
  });
  const sequences = ({ classifier }: Gpt1Run): number => classifier ? sequencesOfExample(classifier) : 1;
  return {
    layout,
    gradient: (run, recompute = "none", scaled = false) =>
      once(
        `gradient ${JSON.stringify(run)} ${recompute} ${scaled}`,
        () => gradientPlan(layout, config, run, recompute, scaled),
      ),
    scores: (run) => once(`scores ${JSON.stringify(run)}`, () => scoresPlan(layout, config, run)),
    decode: (batch, length) =>
      once(`decode ${batch} ${length}`, () => decodePlan(layout, config, batch, length)),
    continuation: (batch) => once(`continuation ${batch}`, () => continuationPlan(layout, config, batch)),
    batchOf: (run) => run.batch / sequences(run),
    withBatch: (run, batch) => ({ ...run, batch: batch * sequences(run) }),
  };
}

interface Losses {
  /** Weighted sums, shape (1). */
  readonly sums: Record<string, Value>;
  readonly rows: Record<string, Value>;
}

// Inputs: ids (B,T,2), lengths (B), then what the losses need: targets and weights (B,T); extract (B), labels and
// labelWeights (E), one for each example of choices · sum sequences, and with `between` upperLabels and upperWeights (E).
// Losses per row come out unweighted.
function record(
  graph: Graph,
  layout: Layout,
  config: Gpt1Config,
  run: Gpt1Run,
  { rng, recompute }: { rng: Value | null; recompute: Recompute },
): Losses {
  const { batch: B, length: T, language, classifier } = run;
  const p = parametersOf(graph, layout), rows = tableRows(config);
  if (T > config.context) {
    throw new RangeError(
      `Cannot record sequences of ${T} tokens: the model's context is ${config.context}; cut them`,
    );
  }
  const ids = graph.input("ids", [B, T, 2], "i32", { below: rows });
  const lengths = graph.input("lengths", [B], "i32", { below: T + 1 });
  const we = table(p, config, rng);
  const attend = causalAttention(lengths, rng, { heads: config.heads, rate: config.attentionDropout });
  const h = hidden(p, config, we, ids, { attend, recur: lstm(lengths), rng, recompute }); // (B, T, C)
  const sums: Record<string, Value> = {}, perRow: Record<string, Value> = {};
  if (language) {
    graph.scope("lm", () => {
      const targets = graph.input("targets", [B, T], "i32", { least: -1, below: run.rows ?? rows });
      perRow.languageRows = linearCrossEntropy(h, we, targets, run.rows ?? rows); // (B, T)
      sums.language = weightedSum(perRow.languageRows, graph.input("weights", [B, T], "f32")); // (1)
    });
  }
  if (classifier) {
    graph.scope("clf", () => {
      const { outputs, choices, sum = 1, between = false } = classifier;
      const shape = [B / sequencesOfExample(classifier)], range = { least: -1, below: outputs * choices }; // (E)
      const extract = graph.input("extract", [B], "i32", { below: T });
      const read = selectRows(h, extract, sum); // (B / sum, C)
      const features = sharedDropout(read, rng, config.classifierDropout, choices); // (B / sum, C)
      const logits = linear(features, p("clf/w"), p("clf/b")); // (B / sum, outputs)
      const labels = graph.input("labels", shape, "i32", range);
      perRow.logits = logits;
      perRow.classifierRows = crossEntropy(logits, labels); // (E)
      sums.classifier = weightedSum(perRow.classifierRows, graph.input("labelWeights", shape, "f32")); // (1)
      if (between) {
        perRow.upperRows = crossEntropy(logits, graph.input("upperLabels", shape, "i32", range)); // (E)
        const upper = weightedSum(perRow.upperRows, graph.input("upperWeights", shape, "f32"));
        sums.classifier = add(sums.classifier, upper);
      }
    });
  }
  if (!language && !classifier) {
    throw new RangeError("Cannot record a run without a loss: ask for language or classifier");
  }
  return { sums, rows: perRow };
}

/**
 * Forward and backward: adds to the gradient pages. Outputs: `loss` (1), its terms `language` and `classifier` (1), and
 * the losses per row. `rng` [seed, draw] drives dropout. With `scaled`, gradients are those of the loss times the state of
 * src/nn/loss_scale.ts.
 */
export function gradientPlan(
  layout: Layout,
  config: Gpt1Config,
  run: Gpt1Run,
  recompute: Recompute = "none",
  scaled = false,
): Plan {
  const graph = new Graph("gpt1");
  const rng = graph.input("rng", [2], "i32");
  const { sums, rows } = record(graph, layout, config, run, { rng, recompute });
  const loss = Object.values(sums).reduce(add);
  const p = parametersOf(graph, layout);
  const used = usedParameters(graph);
  const wanted = layout.segments.filter(({ name, frozen }) => !frozen && used.has(name)).map((
    { name, shape, place },
  ) => ({
    parameter: p(name),
    into: graph.state(`d/${name}`, shape, "f32", {
      place: { page: mirror(place.page, "gradients"), offset: place.offset },
    }),
  }));
  const result = gradients(graph, loss, wanted, scaled ? lossScale(graph).scale : undefined);
  result.gradients.forEach((gradient, i) => graph.assign(wanted[i].into, gradient));
  const outputs = { loss: result.loss, ...sums, ...rows };
  return plan(graph, mapValues(outputs, result.current));
}

/** Losses without gradients or dropout. Outputs as `gradientPlan`, and `logits` of the classifier. */
export function scoresPlan(layout: Layout, config: Gpt1Config, run: Gpt1Run): Plan {
  const graph = new Graph("gpt1");
  const { sums, rows } = record(graph, layout, config, run, { rng: null, recompute: "none" });
  return plan(graph, { loss: Object.values(sums).reduce(add), ...sums, ...rows });
}

/**
 * New tokens after cached ones. Inputs: ids (B,T,2), extents (B,2) of [cached, new], last (B) the row whose successor is
 * wanted. Output: logits (B,R) over all rows of the table; only token rows may be sampled. States: a cache per layer.
 */
export function decodePlan(layout: Layout, config: Gpt1Config, batch: number, length: number): Plan {
  const graph = new Graph("gpt1");
  const ids = graph.input("ids", [batch, length, 2], "i32", { below: tableRows(config) });
  const extents = graph.input("extents", [batch, 2], "i32", { below: config.context + 1 });
  const last = graph.input("last", [batch], "i32", { below: length });
  return plan(graph, { logits: nextLogits(parametersOf(graph, layout), config, { ids, extents, last }) });
}

/**
 * One more token a row, chosen on the device, from what the run before left: the cache that `decodePlan` fills, and the
 * token and its position. Inputs: given (B,2) of [token, position], -1 for what was left; settings (3): temperature, top-k,
 * top-p; chances (B). Output: tokens (B), -1 where the logits are no numbers.
 */
export function continuationPlan(layout: Layout, config: Gpt1Config, batch: number): Plan {
  const graph = new Graph("gpt1"), { vocabSize, specials, context } = config;
  const state = (name: string): Value => graph.state(`cache/${batch}/${name}`, [batch], "i32");
  const token = state("token"), position = state("position");
  const given = graph.input("given", [batch, 2], "i32", { least: -1, below: tableRows(config) });
  const { ids, extents, next } = nextInputs(given, token, position, { first: vocabSize + specials, context });
  const last = graph.constant(new Int32Array(batch), [batch]);
  const logits = nextLogits(parametersOf(graph, layout), config, { ids, extents, last });
  const settings = graph.input("settings", [3], "f32"), chances = graph.input("chances", [batch], "f32");
  const tokens = sampleTokens(logits, settings, chances, vocabSize); // (B)
  graph.assign(token, tokens);
  graph.assign(position, next);
  return plan(graph, { tokens });
}

// Logits (B, V + specials + context) of what follows row `last` (B) of the new tokens.
function nextLogits(
  p: Parameters,
  config: Gpt1Config,
  { ids, extents, last }: Readonly<Record<"ids" | "extents" | "last", Value>>,
): Value {
  const we = table(p, config, null);
  const attend = cachedAttention(extents, { heads: config.heads, context: config.context });
  const recur = carriedLstm(extents);
  const h = selectRows(hidden(p, config, we, ids, { attend, recur, rng: null }), last); // (B, C)
  return we.graph.scope("lm", () => project(h, we));
}

function usedParameters(graph: Graph): Set<string> {
  const values = graph.nodes.flatMap(({ inputs }) => inputs);
  return new Set(
    values.flatMap(({ source }) =>
      source.kind === "state" && source.state.parameter ? [source.state.name] : []
    ),
  );
}

function mapValues<T, U>(record: Record<string, T>, f: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, f(value)]));
}
