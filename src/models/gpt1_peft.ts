// Adapters of a GPT-1 as PEFT publishes them for transformers' `openai-gpt`: which tensor of adapter_model.safetensors is
// which parameter, and what adapter_config.json says. Both halves lie transposed there. Tables only: files are in
// tasks/gpt1_adapters.ts.

import type { Lora } from "../nn/lora.ts";
import { isAdapter } from "../nn/lora.ts";
import type { PublishedTensor } from "../nn/published.ts";
import { type Gpt1Config, parameterSpecs } from "./gpt1.ts";
import { loraTargets } from "./gpt1_tuning.ts";

const PREFIX = "base_model.model.transformer.";
const HALVES: Readonly<Record<string, string>> = { lora_a: "lora_A", lora_b: "lora_B" };

/** The tensors of the adapters that a configuration has: `lora_A.weight` (r, inputs) and `lora_B.weight` (outputs, r). */
export function peftTensors(config: Gpt1Config): PublishedTensor[] {
  return parameterSpecs(config).filter(({ name }) => isAdapter(name)).map(({ name, shape }) => {
    const parts = name.replace(/^h(\d+)/, "h/$1").split("/");
    const layer = parts.slice(0, -1).join("."), half = HALVES[parts.at(-1)!];
    return { name: `${PREFIX}${layer}.${half}.weight`, shape: shape.toReversed(), parameter: name, row: 0 };
  });
}

/** A tensor's name with the prefix that a model with its output has, where it was saved from one without. */
export const fullPeftName = (name: string): string => name.replace(/^base_model\.model\.(?=h\.)/, PREFIX);

/** The targets that tensors of these names make up, in the order of a block. */
export const peftTargets = (names: readonly string[]): string[] =>
  loraTargets.filter((target) => names.some((name) => name.includes(`.${target.replace("/", ".")}.lora_`)));

/** The adapter_config.json of adapters on the model that `base` names. */
export function peftConfig(
  { rank, alpha, targets, dropout = 0 }: Lora,
  base: string | null,
): Record<string, unknown> {
  return {
    peft_type: "LORA",
    task_type: "CAUSAL_LM",
    base_model_name_or_path: base,
    r: rank,
    lora_alpha: alpha,
    lora_dropout: dropout,
    target_modules: targets.map((target) => target.replace("/", ".")),
    fan_in_fan_out: true, // transformers keeps these matrices as (inputs, outputs)
    bias: "none",
    init_lora_weights: true,
    use_rslora: false,
    use_dora: false,
    modules_to_save: null,
    inference_mode: true,
  };
}

/**
 * What an adapter_config.json says of adapters; their targets are told from the tensors.
 *
 * @throws {SyntaxError} that names `where` for adapters of another kind.
 */
export function fromPeftConfig(
  json: Readonly<Record<string, unknown>>,
  where: string,
): Omit<Lora, "targets"> {
  const refuse = (name: string, wanted: string): never => {
    const found = JSON.stringify(json[name])?.slice(0, 60) ?? "missing";
    throw new SyntaxError(`Cannot use ${where}: ${name} is ${found}, ${wanted}`);
  };
  const isEmpty = (value: unknown): boolean =>
    value === undefined || value === null || value === false ||
    typeof value === "object" && Object.keys(value).length === 0;
  if (json.peft_type !== "LORA") refuse("peft_type", 'and only adapters of type "LORA" are read here');
  if (json.bias !== undefined && json.bias !== "none") {
    refuse("bias", 'and only "none" is read here; merge it instead');
  }
  const others = [
    ...["use_rslora", "use_dora", "use_qalora", "rank_pattern", "alpha_pattern", "layers_to_transform"],
    ...["layer_replication", "modules_to_save", "target_parameters", "trainable_token_indices", "lora_bias"],
    "alora_invocation_tokens",
  ];
  for (const name of others) {
    if (!isEmpty(json[name])) {
      refuse(name, "which has no counterpart here; merge it into its model and import that");
    }
  }
  const { r: rank, lora_alpha: alpha, lora_dropout: dropout = 0 } = json;
  if (!(typeof rank === "number" && Number.isSafeInteger(rank) && rank >= 1)) {
    return refuse("r", "not a whole number of at least 1");
  }
  if (!(typeof alpha === "number" && alpha > 0)) return refuse("lora_alpha", "not a number above 0");
  if (!(typeof dropout === "number" && dropout >= 0 && dropout < 1)) {
    return refuse("lora_dropout", "not a rate from 0 to 1");
  }
  return { rank, alpha, ...(dropout > 0 ? { dropout } : {}) };
}
