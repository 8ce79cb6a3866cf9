// Parameters as data: their names, shapes and initial values, and where each lives in flat pages. Pages exist so that the
// optimizer, clipping and saving are a few launches over long arrays; a page stays below the binding limit of a GPU.
// Frozen parameters get pages of their own, which have neither gradients nor moments.

import { BYTES } from "../core/dtype.ts";
import { Random } from "../core/random.ts";
import { type Shape, show, sizeOf } from "../core/shape.ts";
import type { Store } from "../backends/backend.ts";
import type { Graph, Place, Value } from "../graph/graph.ts";
import { ALIGNMENT } from "../graph/plan.ts";

/** A parameter before it has any bytes. */
export interface ParameterSpec {
  /** As in the published checkpoint: `h0/attn/c_attn/w`. */
  readonly name: string;
  /** Sizes, outermost first; (inputs, outputs) for weights of dense layers. */
  readonly shape: Shape;
  /** A constant, constants of equal parts that follow each other, or N(0, `deviation`²). */
  readonly init: number | readonly number[] | { readonly deviation: number };
}

/** A parameter with its place in the store. */
export interface Segment extends ParameterSpec {
  /** Its page and byte offset in the store; the offset is a multiple of 256. */
  readonly place: Place;
  /** Whether training leaves it as it is, without gradient and moments. */
  readonly frozen: boolean;
}

/** All parameters of a model and the pages that hold them. */
export interface Layout {
  /** In the order of the specs they were laid out from. */
  readonly segments: readonly Segment[];
  /** Bytes of each page. Trainable pages are called `parameters/0`, …, frozen ones `frozen/0`, … */
  readonly pages: Readonly<Record<string, number>>;
}

/** The kinds of page that mirror a page of trainable parameters. */
export const MIRRORS = ["gradients", "moment1", "moment2"] as const;

/** The page that holds the gradients or a moment of a page of parameters: `gradients/0` for `parameters/0`. */
export const mirror = (page: string, kind: (typeof MIRRORS)[number]): string =>
  page.replace("parameters", kind);

/** Places parameters in pages, in order, each tensor aligned to 256 bytes. */
export function layOut(
  specs: readonly ParameterSpec[],
  { frozen = () => false, pageBytes = 128 * 2 ** 20 }: {
    frozen?: (name: string) => boolean;
    pageBytes?: number;
  } = {},
): Layout {
  const pages: Record<string, number> = {};
  const open = { parameters: -1, frozen: -1 };
  const segments = specs.map((spec): Segment => {
    const kind = frozen(spec.name) ? "frozen" : "parameters";
    const bytes = Math.ceil(sizeOf(spec.shape) * BYTES / ALIGNMENT) * ALIGNMENT;
    if (open[kind] < 0 || pages[`${kind}/${open[kind]}`] + bytes > pageBytes) {
      pages[`${kind}/${++open[kind]}`] = 0;
    }
    const page = `${kind}/${open[kind]}`, offset = pages[page];
    pages[page] += bytes;
    return { ...spec, place: { page, offset }, frozen: kind === "frozen" };
  });
  return { segments, pages };
}

/** Number of scalar parameters. */
export function parameterCount(specs: readonly ParameterSpec[]): number {
  return specs.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
}

/** The initial values of one parameter; they depend on the seed and its name alone. */
export function initialValues({ name, shape, init }: ParameterSpec, seed: number): Float32Array {
  const values = new Float32Array(sizeOf(shape));
  if (typeof init === "number") return values.fill(init);
  if ("length" in init) return values.map((_, i) => init[Math.floor(i * init.length / values.length)]);
  return new Random(seed, `init/${name}`).fillNormal(values, init.deviation);
}

/**
 * Writes the initial values of all parameters, or those for which `values` gives nothing else.
 *
 * @throws {RangeError} for values of another size than their parameter.
 */
export async function initialise(
  store: Store,
  layout: Layout,
  seed: number,
  values: (spec: ParameterSpec) => ArrayLike<number> | null | Promise<ArrayLike<number> | null> = () => null,
): Promise<void> {
  for (const segment of layout.segments) {
    const { name, shape, place } = segment, data = await values(segment) ?? initialValues(segment, seed);
    if (data.length !== sizeOf(shape)) {
      throw new RangeError(
        `Cannot set parameter ${name} ${show(shape)} to ${data.length} numbers: they belong to another model`,
      );
    }
    await store.write(place.page, place.offset, data);
  }
}

/** Parameters in a graph, by name. */
export type Parameters = (name: string) => Value;

/** Reads parameters as states of a graph. */
export function parametersOf(graph: Graph, layout: Layout): Parameters {
  const byName = new Map(layout.segments.map((segment) => [segment.name, segment]));
  return (name) => {
    const segment = byName.get(name);
    if (!segment) throw new TypeError(`There is no parameter "${name}" in ${graph.name}`);
    return graph.state(name, segment.shape, "f32", { place: segment.place, parameter: true });
  };
}
