// A GPT-1 that holds parameters on a device. Creating one initialises it; a fine-tuning model takes its parameters from a
// pre-trained one, with rows for the special tokens put between tokens and positions, as the released code does.

import type { Device, Program } from "../backends/backend.ts";
import type { Plan } from "../graph/plan.ts";
import { type Model, type ModelPlans, Programs } from "../nn/model.ts";
import { isAdapter } from "../nn/lora.ts";
import { initialise, initialValues, type ParameterSpec } from "../nn/parameters.ts";
import { type Gpt1Config, tableRows } from "./gpt1.ts";
import { tokenIds } from "./gpt1_feeds.ts";
import { SPECIAL_ROWS } from "./gpt1_tuning.ts";
import { type Gpt1Parts, gpt1Plans, type Gpt1Run } from "./gpt1_plans.ts";

/** A GPT-1 on a device. */
export type Gpt1 = Model<Gpt1Config, Gpt1Run> & {
  /** Outputs of the classifier, or `null` for a language model alone. */
  readonly classifier: number | null;
};

/** Where initial parameters come from: the values of a name, or `null` to draw them. */
export type ParameterValues = (
  spec: ParameterSpec,
) => ArrayLike<number> | null | Promise<ArrayLike<number> | null>;

/** Options of `createGpt1`. */
export interface Gpt1Options extends Gpt1Parts {
  /** Seed of the initial parameters. */
  readonly seed?: number;
  /** Values that replace the drawn ones. */
  readonly values?: ParameterValues;
}

/**
 * Creates a model: N(0, 0.02²) weights from a seed, zero biases, unit gains.
 *
 * @example
 * ```ts
 * import { configure, createGpt1, openDevice } from "@foreword/foreword";
 * using device = await openDevice({ device: "wasm", threads: 1 });
 * using model = await createGpt1(device, configure("nano", 500), { seed: 1 });
 * console.log(model.layout.segments.length, "parameters");
 * ```
 */
export async function createGpt1(
  device: Device,
  config: Gpt1Config,
  options: Gpt1Options = {},
): Promise<Gpt1> {
  const { seed = 0, classifier = null, values } = options, plans = gpt1Plans(config, options);
  const store = device.createStore(plans.layout.pages);
  try {
    await initialise(store, plans.layout, seed, values);
  } catch (error) {
    store.free();
    throw error;
  }
  return assemble(device, config, plans, classifier, store);
}

function assemble(
  device: Device,
  config: Gpt1Config,
  plans: ModelPlans<Gpt1Run>,
  classifier: number | null,
  store: Gpt1["store"],
): Gpt1 {
  const programs = new Programs(device, store);
  const program = (key: string, record: Parameters<Programs["get"]>[1]): Program => programs.get(key, record);
  const close = (): void => {
    programs.free();
    store.free();
  };
  // Plans that generate keep what they carry in pages of the store, added with the first of a batch size.
  const carrying = (key: string, record: () => Plan): Program =>
    program(key, () => {
      const plan = record();
      const missing = plan.buffers.flatMap((buffer) =>
        buffer.kind === "state" && !store.pages.has(buffer.place.page)
          ? [[buffer.place.page, buffer.bytes]]
          : []
      );
      store.add(Object.fromEntries(missing));
      return plan;
    });
  return {
    kind: config.lstm ? "lstm" : "gpt1",
    config,
    device,
    store,
    layout: plans.layout,
    plans,
    classifier,
    vocabSize: config.vocabSize,
    context: config.context,
    inputIds: (tokens, length, offsets) => tokenIds(config, tokens, length, offsets),
    gradient: (run, recompute = "none", scaled = false) =>
      program(
        `gradient ${JSON.stringify(run)} ${recompute} ${scaled}`,
        () => plans.gradient(run, recompute, scaled),
      ),
    scores: (run) => program(`scores ${JSON.stringify(run)}`, () => plans.scores(run)),
    decode: (batch, length) => carrying(`decode ${batch} ${length}`, () => plans.decode(batch, length)),
    continuation: (batch) => carrying(`continuation ${batch}`, () => plans.continuation(batch)),
    program,
    close,
    [Symbol.dispose]: close,
  };
}

/**
 * Parameters for a model with other special tokens than those the values belong to: rows of tokens and positions are
 * kept, rows of special tokens are kept as far as both have them and drawn from the seed beyond; where they are a parameter
 * of their own, it starts with the same numbers. The classifier and adapters are drawn. With a shorter context the first
 * positions are kept.
 *
 * @throws {RangeError} if the models differ in vocabulary or channels.
 */
export function withSpecials(
  values: ParameterValues,
  from: Gpt1Config,
  to: Gpt1Config,
  seed: number,
): ParameterValues {
  return async (spec) => {
    if (spec.name.startsWith("clf/") || isAdapter(spec.name)) return null;
    if (spec.name !== "we" && spec.name !== SPECIAL_ROWS) return values(spec);
    const we = { ...spec, name: "we" }, C = from.channels, specials = Math.min(from.specials, to.specials);
    if (to.vocabSize !== from.vocabSize || to.channels !== C) {
      throw new RangeError(
        `Cannot start a model of ${to.vocabSize} tokens and ${to.channels} channels from one of ` +
          `${from.vocabSize} and ${C}: they must agree`,
      );
    }
    const old = Float32Array.from(await values({ ...we, shape: [tableRows(from), C] }) ?? []);
    if (old.length === 0) return null;
    const table = initialValues({ ...we, shape: [tableRows(to), C] }, seed); // (V + specials + context, C)
    table.set(old.subarray(0, (from.vocabSize + specials) * C));
    const positions = old.subarray((from.vocabSize + from.specials) * C); // (context, C)
    table.set(positions.subarray(0, to.context * C), table.length - to.context * C);
    if (spec.name === SPECIAL_ROWS) {
      return table.slice(to.vocabSize * C, (to.vocabSize + to.specials) * C);
    }
    return table;
  };
}
