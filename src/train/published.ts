// Weights moved between parameters and the tensors of published files, by a model's table of which is where. Both
// directions give sources for a streaming writer: at no time is more than a piece of one tensor in memory.

import { show, sizeOf } from "../core/shape.ts";
import type { ParameterSpec } from "../nn/parameters.ts";
import type { PublishedTensor } from "../nn/published.ts";
import { floatBytes, type FloatTensor } from "./float_tensor.ts";
import type { TensorSource } from "./safetensors.ts";

/** Published tensors by name, or parameters by name. */
export type FloatTensors = ReadonlyMap<string, FloatTensor>;

/**
 * Checks that a file holds exactly the tensors of a table.
 *
 * @throws {SyntaxError} that names `where` and the first tensor that is missing, has another shape or is unknown.
 */
export function requireTensors(table: readonly PublishedTensor[], found: FloatTensors, where: string): void {
  for (const { name, shape } of table) {
    const tensor = found.get(name);
    if (!tensor) {
      throw new SyntaxError(
        `Cannot use ${where}: it lacks tensor ${name} ${show(shape)}; take the whole file`,
      );
    }
    if (tensor.shape.join() !== shape.join()) {
      throw new SyntaxError(
        `Cannot use ${where}: tensor ${name} is ${show(tensor.shape)}, not ${show(shape)}; ` +
          "take weights and configuration from one source",
      );
    }
  }
  const known = new Set(table.map(({ name }) => name));
  const unknown = [...found.keys()].find((name) => !known.has(name));
  if (unknown !== undefined) {
    throw new SyntaxError(
      `Cannot use ${where}: it has a tensor ${JSON.stringify(unknown.slice(0, 60))} ` +
        `${
          show(found.get(unknown)!.shape)
        } that a language model of this kind does not have; export the model without it`,
    );
  }
}

/**
 * The parameters of a model, to be written, from published tensors that {@link requireTensors} accepts. Throws
 * `TypeError` if the table does not cover a parameter.
 */
export function parametersFrom(
  specs: readonly ParameterSpec[],
  table: readonly PublishedTensor[],
  found: FloatTensors,
): TensorSource[] {
  return specs.map(({ name, shape }) => {
    const parts = table.filter(({ parameter }) => parameter === name).sort((a, b) => a.row - b.row);
    const covered = parts.reduce((sum, part) => sum + sizeOf(part.shape), 0);
    if (covered !== sizeOf(shape)) {
      throw new TypeError(`The table of published tensors has ${covered} numbers for ${name} ${show(shape)}`);
    }
    const data = async function* (): AsyncGenerator<Uint8Array> {
      for (const part of parts) yield* floatBytes(found.get(part.name)!);
    };
    return { name, dtype: "F32", shape, data };
  });
}

/** The published tensors, to be written, from the parameters of a model. */
export function publishedFrom(table: readonly PublishedTensor[], parameters: FloatTensors): TensorSource[] {
  return table.map(({ name, shape, parameter, row }) => {
    const begin = row * shape.at(-1)!;
    return {
      name,
      dtype: "F32",
      shape,
      data: () => floatBytes(parameters.get(parameter)!, begin, begin + sizeOf(shape)),
    };
  });
}
