// Settings of a JSON file as flags of a command: the command's own declarations say which there are, how a value is read
// and what holds where none is given, so that a study takes every flag of `finetune` and `pretrain` and declares none.

import { Command, InvalidArgumentError, type Option } from "commander";
import { UsageError } from "../io.ts";

/**
 * Settings by the flag's name in camelCase: `--lm-coef 0.5` is `"lmCoef": 0.5`, a flag without a value is `true`, one that is
 * given several times a list.
 */
export type Settings = Readonly<Record<string, unknown>>;

/** What adds the flags of a command. */
export type Declare = (command: Command) => Command;

/** What settings are read for. */
export interface Reading {
  readonly declare: Declare;
  /** How a message names a setting: the file and the path of its key. */
  readonly where: (key: string) => string;
  /** Flags that come from elsewhere, each with where. */
  readonly reserved: Readonly<Record<string, string>>;
  /** Names that are no flags but may stand beside them. */
  readonly beside?: readonly string[];
}

/**
 * What a command would be given for these settings, with its defaults for the others.
 *
 * @throws {UsageError} for a setting that is no flag, one that is missing, or a value that the flag does not take.
 */
export function flagsOf({ declare, where, reserved, beside = [] }: Reading, settings: Settings): Settings {
  const options = declare(new Command()).options, flags: Record<string, unknown> = {};
  const free = options.filter((option) => !Object.hasOwn(reserved, option.attributeName()));
  for (const option of free) {
    if (option.defaultValue !== undefined) flags[option.attributeName()] = option.defaultValue;
  }
  for (const [key, value] of Object.entries(settings)) {
    if (Object.hasOwn(reserved, key)) throw new UsageError(`${where(key)} is not set here: ${reserved[key]}`);
    const found = free.filter((option) => option.attributeName() === key);
    if (found.length === 0) {
      const names = [...beside, ...new Set(free.map((option) => option.attributeName()))];
      throw new UsageError(`${where(key)} is not a setting; here are ${names.join(", ")}`);
    }
    flags[key] = valueOf(found, value, where(key));
  }
  for (const option of free) {
    const name = option.attributeName();
    if (option.mandatory && flags[name] === undefined) {
      throw new UsageError(`${where(name)} is missing: give it`);
    }
  }
  return flags;
}

function valueOf(options: readonly Option[], value: unknown, where: string): unknown {
  const told = `${where} is ${JSON.stringify(value)}`, plain = options.find(({ negate }) => !negate);
  if (value === false && options.some(({ negate }) => negate)) return false;
  if (!plain || plain.isBoolean()) {
    if (typeof value === "boolean") return value;
    throw new UsageError(`${told}: it must be true or false`);
  }
  const { parseArg } = plain;
  if (plain.variadic) {
    const list = Array.isArray(value) ? value : [value];
    if (list.length > 0 && list.every((one) => typeof one === "string")) return list;
    throw new UsageError(`${told}: it must be a list of texts`);
  }
  if (typeof value !== "string" && !(typeof value === "number" && parseArg)) {
    throw new UsageError(`${told}: it must be ${parseArg ? "one value" : "a text"}`);
  }
  if (!parseArg) return value;
  try {
    return parseArg(String(value), undefined);
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    const reason = error.message.trim().replace(/\.$/, "");
    throw new UsageError(`${told}: ${reason[0].toLowerCase()}${reason.slice(1)}`);
  }
}
