// How a model's parameters are spread over the tensors of a published file: a table from names to rows. The tables
// themselves belong to the models; moving the numbers is train/published.ts's business.

import type { Shape } from "../core/shape.ts";

/** A tensor of a published file: it holds rows of one parameter, from `row` on. */
export interface PublishedTensor {
  /** Its name in the file. */
  readonly name: string;
  /** Its sizes in the file. All but the last together are rows. */
  readonly shape: Shape;
  /** The parameter that its numbers belong to. */
  readonly parameter: string;
  /** The row of that parameter where they begin. */
  readonly row: number;
}
