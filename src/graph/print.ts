// A plan as text: what a person reads to see what runs, in which buffers, and what it costs. Golden listings in the
// tests pin it, so that a change of the planner or of a model shows as a diff.

import { show } from "../core/shape.ts";
import type { Arg, Plan } from "./plan.ts";

/**
 * Prints a plan. Line one: name, steps, peak bytes of temporaries, the lower bound for this order of steps, constants.
 * Then a line a step: number, op, scope, inputs -> outputs with their slots (`s3`), states (`:name`) or constants (`c1`).
 */
export function printPlan(plan: Plan): string {
  const name = ({ buffer, shape }: Arg): string => {
    const where = plan.buffers[buffer];
    const label = where.kind === "temporary"
      ? `s${where.slot}`
      : where.kind === "state"
      ? `:${where.name}`
      : `c${buffer}`;
    return `${label}${show(shape)}`;
  };
  const list = (args: readonly Arg[]): string => args.map(name).join(" ");
  const scratch = (buffer: number | null): string =>
    buffer === null ? "" : ` scratch ${plan.buffers[buffer].bytes} B`;
  const { steps, temporaryBytes, liveBytes, slots } = plan;
  return [
    `plan ${plan.name}: ${steps.length} steps, ${temporaryBytes} bytes of temporaries (${liveBytes} alive at once), ${slots.length} slots`,
    `inputs ${plan.inputs.map((port) => `${port.name}=${name(port)}`).join(" ")}`,
    ...steps.map((step, i) =>
      `${String(i).padStart(4)} ${step.op.padEnd(24)} ${step.scope}: ${list(step.inputs)} -> ${
        list(step.outputs)
      }${scratch(step.scratch)}`
    ),
    `outputs ${plan.outputs.map((port) => `${port.name}=${name(port)}`).join(" ")}`,
    "",
  ].join("\n");
}
